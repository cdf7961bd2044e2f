"""Events to the world: payloads and topics, the outbox that keeps events until they are acknowledged, and MQTT."""
