"""A producer, and members of consumer groups, by kafka-python: does what the lines on its standard
input say, each a list in JSON, and answers each with a line. Ends with its input.

Groups are joined with requests of our own, as tansu wants what kafka-python 2.0 does not know
(KIP-394), and stay joined for five minutes without a sign of life.
"""

import json
import sys

from kafka import KafkaClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.protocol import group as protocol

server = sys.argv[1]
client = KafkaClient(bootstrap_servers=server)
producer = KafkaProducer(bootstrap_servers=server, linger_ms=0)
members = {}


class JoinResponse(protocol.JoinGroupResponse_v2):
    API_VERSION = 4


class Join(protocol.JoinGroupRequest_v2):
    API_VERSION = 4
    RESPONSE_TYPE = JoinResponse


def ask(request):
    broker = client.least_loaded_node()
    while not client.ready(broker):
        client.poll(100)
    future = client.send(broker, request)
    client.poll(future=future)
    return future.value


def produce(topic, partition, values):
    # One by one: at the end of a partition tansu 0.6 counts batches, not messages.
    for value in values:
        producer.send(topic, value.encode(), partition=partition).get(20)


def commit(group, topic, partition, offset):
    consumer = KafkaConsumer(bootstrap_servers=server, group_id=group, enable_auto_commit=False)
    partition = TopicPartition(topic, partition)
    consumer.assign([partition])
    consumer.commit({partition: OffsetAndMetadata(offset, "")})
    consumer.close(autocommit=False)


def join(group):
    member = ""
    while True:
        joined = ask(Join(group, 300000, 300000, member, "consumer", [("range", b"")]))
        member = joined.member_id
        # 79 asks to come again with the name that it gives.
        if joined.error_code != 79:
            break
    assert joined.error_code == 0, joined
    synced = ask(protocol.SyncGroupRequest_v1(group, joined.generation_id, member, [(member, b"")]))
    assert synced.error_code == 0, synced
    members[group] = member


def leave(group):
    left = ask(protocol.LeaveGroupRequest_v1(group, members.pop(group)))
    assert left.error_code == 0, left


for line in sys.stdin:
    command, *arguments = json.loads(line)
    {"produce": produce, "commit": commit, "join": join, "leave": leave}[command](*arguments)
    print("done", flush=True)
