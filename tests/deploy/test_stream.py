"""The table's stream as MiniStack delivers it: without a shard, which the function refuses."""

import time

from stack import Person


def test_events_without_a_shard_fail_and_say_why(deploy):
    stack = deploy("roster-shardless", Stage="prod")
    Person(stack.url, "ada").sign_up()
    functions = stack.cloud.client("lambda")
    source = stack.resources["StreamCountPlacesSource"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        # MiniStack gives the same batch again each second, as AWS does.
        lines = [str(line) for line in stack.logs() if line.get("level") == "ERROR"]
        if sum("the event has no shardId" in line for line in lines) >= 2:
            break
        time.sleep(0.5)
    text = "\n".join(lines)
    assert text.count("the event has no shardId") >= 2, text
    assert text.count("TumblingWindowInSeconds") == 1, text
    assert "panicked" not in text
    mapping = functions.get_event_source_mapping(UUID=source)
    assert mapping["LastProcessingResult"] == "FAILED"
    # Nothing of it was counted, and requests do not mind.
    assert stack.delete() == "DELETE_COMPLETE"
