"""The whole daemon with real servers around it: RTSP cameras, an MQTT broker, real faces."""
