#!/usr/bin/env python3
"""Writes recorded.jsonl and trace.jsonl: a case of everything that reports have to show, hostile payloads included."""
import json, pathlib

here = pathlib.Path(__file__).parent
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> ]]> & \" ' <!-- --> \u001b[2J\u009b31m\r\n"
    "::error file=a::pwned\n##[add-mask]x ##vso[task.complete]x\n```\n# heading\n| a | b |\n@everyone \u202e\u0000\ufffe"
    " $(id) `id` %0A::warning::x"
)
recorded, traces = [], []

def case(id, target, journal, trace=None, ended=None):
    recorded.append({"id": id, "target": target, "deployment": "dp_1", "complete": True, "entries": [{"command": "Input"}] + journal})
    if trace is not None:
        entry = {"id": id, "target": target, "complete": True, "entries": [{"command": "Input"}] + trace}
        if ended:
            entry["ended"] = ended
        traces.append(entry)

def run(name, i=1): return {"command": "Run", "result_completion_id": i, "name": name}
def ran(i=1, value=1): return {"notification": "Run", "completion_id": i, "value": value}
def state(key, value): return {"command": "SetState", "key": key, "value": value}
def send(payload, headers=None, **more):
    call = {"command": "OneWayCall", "service_name": "Mail", "handler_name": "send", "parameter": payload, "invocation_id_notification_idx": 9}
    if headers: call["headers"] = headers
    return {**call, **more}
END = {"command": "Output", "value": "ok"}

base = [state("a", 1), state("b", 2), state("c", 3), END]
case("compatible", "Order/alice/process", base, base)
for key in ["bob", "carol"]:
    case(f"payload-{key}", f"Order/{key}/process",
         [state("a", 1), send({"qty": 2, "to": key}), state("c", 3), END],
         [state("a", 1), send({"qty": 3, "to": key}), state("c", 3), END])
case("added-removed-moved", "Order/dora/process",
     [state("a", 1), state("b", 2), state("c", 3), state("d", 4), state("e", 5), END],
     [state("a", 1), state("new", 0), state("c", 3), state("d", 4), state("b", 2), END])
case("beyond", "Order/emil/process", [state("a", 1), state("b", 2)], [state("a", 1), state("x", 2), state("y", 3), state("z", 4)])
case("accepted", "Billing/charge", [state("total", 1), END], [state("total", 2), END])
case("ignored-header", "Billing/notify",
     [send({"to": "x"}, [{"key": "traceparent", "value": "00-1"}]), END],
     [send({"to": "x"}, [{"key": "traceparent", "value": "00-2"}]), END])
case("failed", "Order/frida/process", base, [state("a", 1)], "failed")
case("unknown", "Order/gero/process", base)
case("delayed", "Billing/remind", [send(1, invoke_time=1000), END], [send(1, invoke_time=61000), END])
case(f"hostile {HOSTILE}", f"Evil{HOSTILE}/key/do",
     [state(HOSTILE, {HOSTILE: HOSTILE, "text": f"one\n::error::two\n{HOSTILE}\nthree"}), END],
     [state(HOSTILE, {HOSTILE: "other", "text": f"one\n::error::2\n{HOSTILE}\nthree"}), END])
case("long", "Evil/long", [state("k", "a" * 20000), run("n" * 5000), END], [state("k", "b" * 20000), run("m" * 5000), END])

for name, lines in [("recorded", recorded), ("trace", traces)]:
    text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
    (here / f"{name}.jsonl").write_text(text)
