"""librdkafka's mock cluster: does what the lines on its standard input say, each a list in JSON, and
answers each with a line, of which the first has the addresses of its brokers. Ends with its input.
"""

import ctypes
import json
import sys

library = ctypes.CDLL("librdkafka.so.1")


def function(name, result, *arguments):
    found = getattr(library, "rd_kafka_" + name)
    found.restype, found.argtypes = result, arguments
    return found


pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
PRODUCER = 0
why = ctypes.create_string_buffer(512)
settings = function("conf_new", pointer)()
# Errors only: it has no brokers to connect to itself, and would complain.
setting = function("conf_set", number, pointer, text, text, text, ctypes.c_size_t)
setting(settings, b"log_level", b"3", why, len(why))
new = function("new", pointer, number, pointer, text, ctypes.c_size_t)
handle = new(PRODUCER, settings, why, len(why))
assert handle, why.value
cluster = function("mock_cluster_new", pointer, pointer, number)(handle, int(sys.argv[1]))
commands = {
    name: function("mock_" + name, number, pointer, *arguments)
    for name, arguments in {
        "topic_create": (text, number, number),
        "partition_set_leader": (text, ctypes.c_int32, ctypes.c_int32),
        "broker_set_down": (ctypes.c_int32,),
        "broker_set_up": (ctypes.c_int32,),
        "set_apiversion": (ctypes.c_int16, ctypes.c_int16, ctypes.c_int16),
    }.items()
}

print(function("mock_cluster_bootstraps", text, pointer)(cluster).decode(), flush=True)
for line in sys.stdin:
    command, *arguments = json.loads(line)
    arguments = [one.encode() if isinstance(one, str) else one for one in arguments]
    code = commands[command](cluster, *arguments)
    assert code == 0, (line, code)
    print("done", flush=True)
