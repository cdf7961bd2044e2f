"""All kinds of faults, and how often each is drawn.

Weights add up to about 100. What keeps a target busy for long is drawn seldom: an inference process that was killed is
away for some ten seconds, and of a target there is one fault at a time.
"""

from tests.faults import cameras, processes, surroundings
from tests.faults.cameras import command
from tests.faults.fault import Fault

FAULTS = (
    Fault("reader killed", "camera", processes.reader_kill, weight=8),
    Fault("reader stopped", "camera", processes.reader_stop, (1, 5), weight=4),
    Fault("camera stalls", "camera", command("stall", "resume"), (1, 5), weight=6),
    Fault("camera freezes", "camera", command("freeze", "resume"), (1, 5), weight=5),
    Fault("packets damaged", "camera", command("corrupt", "resume", p=0.3), (1, 5), weight=5),
    Fault("packets lost", "camera", command("drop", "resume", p=0.3), (1, 5), weight=5),
    Fault("connection reset", "camera", command("kick"), weight=7),
    Fault("camera away", "camera", command("down", "up"), (1, 4), weight=5),
    Fault("another size", "camera", cameras.other_size, (1, 5), weight=4),
    Fault("another codec", "camera", cameras.other_codec, (2, 6), weight=3),
    Fault("camera clock set", "camera", cameras.clock_set, weight=5),
    Fault("another rate, reload", "camera", surroundings.other_rate, weight=4),
    Fault("camera server killed", "server", cameras.server_kill, (0.5, 4), weight=2),
    Fault("camera server hangs", "server", cameras.server_hang, (1, 5), weight=2),
    Fault("inference killed", "inference", processes.inference_kill, weight=1.5),
    Fault("inference killed in a batch", "inference", processes.inference_kill_at_work, weight=1.5),
    Fault("inference stopped", "inference", processes.inference_stop, (1, 5), weight=1.5),
    Fault("broker restarted", "broker", surroundings.broker_stop, (0, 5), weight=3),
    Fault("broker killed", "broker", surroundings.broker_kill, (0, 5), weight=2.5),
    Fault("broker hangs", "broker", surroundings.broker_hang, (1, 8), weight=2),
    Fault("broker half open", "broker", surroundings.half_open, weight=1.5),
    Fault("broker disk full", "broker", surroundings.broker_disk_full, (1, 5), weight=2, needs_disks=True),
    Fault("wrong password", "broker", surroundings.wrong_password, (1, 4), weight=2),
    Fault("damaged configuration", "config", surroundings.wrong_config, (0, 2), weight=3),
    Fault("second daemon", "config", processes.second_daemon, (6, 8), weight=1.5),
    Fault("damaged embeddings", "gallery", surroundings.cache_damaged, weight=4),
    Fault("photo half written", "gallery", surroundings.photo_damaged, (1, 5), weight=2),
    Fault("photo rewritten slowly", "gallery", surroundings.photo_rewritten, (4, 4.5), weight=2),
    Fault("state disk full", "state", surroundings.state_disk_full, (2, 12), weight=3, needs_disks=True),
    Fault("inference out of memory", "all", processes.inference_without_memory, (3, 8), weight=0.6),
    Fault("no descriptors", "all", processes.descriptors, (1, 4), weight=0.6),
    Fault("main killed", "all", processes.main_kill, (0.2, 1), weight=0.9),
    Fault("main restarted", "all", processes.main_stop, (0.2, 1), weight=0.6),
    Fault("database damaged", "all", surroundings.database_damaged, (0.2, 1), weight=0.6),
    Fault("host suspended", "all", processes.host_suspended, (1, 15), weight=0.6),
    Fault("two daemons, one node", "all", processes.same_node, (4, 12), weight=0.6),
)
"""All kinds."""
