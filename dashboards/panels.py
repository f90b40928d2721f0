"""The panels of the dashboards, each described once; ./make writes them for Graphite and for Prometheus.

A panel without targets for one of the two is left out there, and `only` says why.
"""

# Counters of a port that stay where they are while all is well.
ERRORS = (
    "SymbolErrorCounter LinkErrorRecoveryCounter LinkDownedCounter PortRcvErrors"
    " PortRcvRemotePhysicalErrors PortRcvSwitchRelayErrors PortXmitDiscards"
    " PortXmitConstraintErrors PortRcvConstraintErrors LocalLinkIntegrityErrors"
    " ExcessiveBufferOverrunErrors VL15Dropped"
).split()
TOP = 20
EVENTS = f'venus_infiniband_port_events_total{{counter=~"{"|".join(ERRORS)}"'
NAMES = "{" + ",".join(ERRORS) + "}"

# Graphite


def alias(target, *nodes):
    """Names each series after these nodes of its path."""
    return f"aliasByNode({target},{','.join(map(str, nodes))})"


def named(target, name):
    """Names the series."""
    return f'alias({target},"{name}")'


def of_node(target):
    """Names each series after its node. graphite-web parses a name for aliasByNode and groupByNode where it has
    brackets in it, which takes longer than all else with many nodes; it parses none for this."""
    return rf'aliasSub({target},"^(?:.*\()?([^.,()]+)[.,].*$","\1")'


def summed(target):
    """The sum of each node's series."""
    return f'groupByNode({of_node(target)},0,"sum")'


def relative(target, begin):
    """Names each series after its path behind the first node, and this one."""
    return rf'aliasSub({target},"^.*?[^.(]+\.{begin}([^,()]+).*$","\1")'


def highest(target):
    """No more than so many series, and those that matter."""
    return f"highestAverage({target},{TOP})"


def per_second(*paths):
    """The rate of counters; nothing where one was reset."""
    paths = paths[0] if len(paths) == 1 else f"group({','.join(paths)})"
    return f"perSecond({paths})"


def times(target, factor):
    """Scaled."""
    return f"scale({target},{factor})"


def port(node, name, end="."):
    """A counter of each port of a node, whether the path names the device or not."""
    return f"{node}.infiniband.port*{end}{name}", f"{node}.infiniband.*.port*{end}{name}"


def growth(*paths):
    """What counters grew by from one point to the next."""
    return f"nonNegativeDerivative(group({','.join(paths)}))"


def added(target):
    """Where there are more points than can be drawn, they are added up."""
    return f'consolidateBy({target},"sum")'


def increase(*paths):
    """What counters grew by."""
    return added(growth(*paths))


def percent(part, whole):
    """The series of each node in percent of another."""
    return of_node(f"asPercent({of_node(part)},{of_node(whole)},0)")


def rest(target):
    """What is left to 100 percent."""
    return f"offset(scale({target},-1),100)"


# Ticks are of 1/100 s: one per second is one percent of a processor.
BUSY = of_node(rest(percent("perSecond(*.cpu.total.idle)", "scale(*.cpu.cpu_count,100)")))
LOAD = of_node(times(percent("*.load_avg.one", "*.cpu.cpu_count"), 0.01))
# A node has told something within the last minute.
ALIVE = "sumSeries(isNonNull(keepLastValue(*.load_avg.one,6)))"

# Prometheus


def rate(metric, by=""):
    """The rate of a counter, or of many added up."""
    single = f"rate({metric}[$__rate_interval])"
    return f"sum by ({by}) ({single})" if by else single


def top(expr, by="instance"):
    """The highest over the whole range, as `topk` alone chooses anew at each point."""
    return f"({expr}) and on ({by}) topk({TOP}, avg_over_time(({expr})[$__range:1m] @ end()))"


ONE = 'instance=~"$node"'
P_BUSY = '100 * (1 - avg by (instance) (rate(venus_cpu_seconds_total{mode="idle"}[$__rate_interval])))'
P_LOAD = "venus_load1 / on (instance) venus_cpus"
# MemAvailable is there since Linux 3.14.
P_FREE = "(venus_memory_available_bytes or (venus_memory_free_bytes + venus_memory_buffers_bytes + venus_memory_cached_bytes))"


def panel(title, kind, unit, text, **more):
    """One panel. `graphite`: targets, and `note` what is to be said of these; `prometheus`: pairs of expression and legend."""
    return {"title": title, "kind": kind, "unit": unit, "text": text, **more}


def steps(warning, critical):
    """Thresholds."""
    return [(None, "green"), (warning, "orange"), (critical, "red")]


BELOW_FOUR = [(None, "red"), (4, "green")]

OVERVIEW = [
    panel("Nodes", "stat", "short", "Nodes that told their load within the last minute.",
          graphite=[named(ALIVE, "nodes")], prometheus=[("count(venus_load1)", "nodes")]),
    panel("Silent nodes", "stat", "short",
          "Nodes that are known and say nothing: Graphite has a file of them and no point within a minute, Prometheus cannot scrape them.",
          thresholds=[(None, "green"), (1, "red")],
          graphite=[named(f"diffSeries(countSeries(*.load_avg.one),{ALIVE})", "silent")],
          prometheus=[('count(up{job="venus"} == 0) or vector(0)', "silent")]),
    panel("CPU", "stat", "percent", "Processor time that is not idle, mean of all nodes. Waiting for I/O counts as busy.",
          thresholds=steps(80, 95),
          graphite=[named(f"averageSeries({BUSY})", "busy")], prometheus=[(f"avg({P_BUSY})", "busy")]),
    panel("Memory", "stat", "percent", "Memory that programs use, without caches, of that of all nodes.", thresholds=steps(85, 95),
          graphite=[named("asPercent(sumSeries(*.memory.usedWOBuffersCaches),sumSeries(*.memory.total))", "used")],
          prometheus=[(f"100 * (1 - sum({P_FREE}) / sum(venus_memory_total_bytes))", "used")]),
    panel("Checks by status", "timeseries", "short", "Checks of all nodes that are not OK, by what they said last.", size=(8, 4),
          only="results of checks go to the Sensu server and not to Graphite; see Uchiwa",
          prometheus=[("count(venus_check_status == 1) or vector(0)", "warning"), ("count(venus_check_status == 2) or vector(0)", "critical"),
                      ("count(venus_check_status > 2) or vector(0)", "unknown")]),
    panel("Load per processor", "heatmap", "short",
          "How many nodes (colour) have which load average of a minute, divided by their processors. Above 1, tasks wait.",
          size=(12, 8), graphite=[LOAD], prometheus=[(P_LOAD, "{{instance}}")]),
    panel("CPU of all nodes", "heatmap", "percent", "How many nodes (colour) are how busy. A node at 0 among others at 100 has lost its job.",
          size=(12, 8), graphite=[BUSY], prometheus=[(P_BUSY, "{{instance}}")]),
    panel(f"Load per processor, top {TOP}", "timeseries", "short", "The nodes with the highest load per processor, on average of the time shown.",
          thresholds=steps(1.5, 3), graphite=[highest(LOAD)], prometheus=[(top(P_LOAD), "{{instance}}")]),
    panel(f"CPU, top {TOP}", "timeseries", "percent", "The busiest nodes.",
          graphite=[highest(BUSY)], prometheus=[(top(P_BUSY), "{{instance}}")]),
    panel(f"Memory, top {TOP}", "timeseries", "percent", "The nodes whose programs use most of their memory. Caches do not count.",
          thresholds=steps(85, 95),
          graphite=[highest(percent("*.memory.usedWOBuffersCaches", "*.memory.total"))],
          prometheus=[(top(f"100 * (1 - {P_FREE} / venus_memory_total_bytes)"), "{{instance}}")]),
    panel(f"Network, top {TOP}", "timeseries", "Bps", "Received and sent over all interfaces of a node, bridges and veths included.",
          graphite=[highest(summed(per_second("*.net.*.{rx,tx}_bytes")))],
          prometheus=[(top(rate("venus_network_receive_bytes_total", "instance") + " + " + rate("venus_network_transmit_bytes_total", "instance")), "{{instance}}")]),
    panel(f"InfiniBand, top {TOP}", "timeseries", "Bps", "Received and sent over all ports of a node; counters are of 4 octets, this is bytes.",
          graphite=[highest(summed(times(per_second(*port("*", "{PortXmitData,PortRcvData}")), 4)))],
          prometheus=[(top(rate('venus_infiniband_transmit_bytes_total{end="local"}', "instance") + " + "
                           + rate('venus_infiniband_receive_bytes_total{end="local"}', "instance")), "{{instance}}")]),
    panel(f"New InfiniBand errors, top {TOP}", "timeseries", "short",
          "What the error counters of a node's ports grew by from one point to the next. All is well at 0.", thresholds=steps(1, 100), bars=True,
          graphite=[of_node(highest(added(summed(growth(*port("*", NAMES))))))],
          prometheus=[(top("sum by (instance) (increase(" + EVENTS + ',end="local"}[$__rate_interval]))'), "{{instance}}")]),
]

NODE = [
    panel("Load", "timeseries", "short", "Load averages, and how many processors there are to carry them.",
          graphite=[alias("$node.load_avg.*", 2), named("$node.cpu.cpu_count", "processors")],
          prometheus=[(f"venus_load1{{{ONE}}}", "one"), (f"venus_load5{{{ONE}}}", "five"), (f"venus_load15{{{ONE}}}", "fifteen"),
                      (f"venus_cpus{{{ONE}}}", "processors")]),
    panel("CPU", "timeseries", "percent", "What the processors did, of all of them together. Time of guests is in user and nice.", stack=True, max=100,
          graphite=[alias("asPercent(perSecond($node.cpu.total.{user,nice,system,iowait,irq,softirq,steal}),scale($node.cpu.cpu_count,100),0)", 3)],
          prometheus=[(f'100 * avg by (mode) (rate(venus_cpu_seconds_total{{{ONE},mode!~"idle|guest.*"}}[$__rate_interval]))', "{{mode}}")]),
    panel("Memory", "timeseries", "bytes", "Programs, caches, and what is free; they add up to the memory of the node.", stack=True,
          graphite=[named("$node.memory.usedWOBuffersCaches", "programs"),
                    named("diffSeries($node.memory.freeWOBuffersCaches,$node.memory.free)", "caches"), named("$node.memory.free", "free")],
          prometheus=[(f"venus_memory_total_bytes{{{ONE}}} - {P_FREE}", "programs"), (f"{P_FREE} - venus_memory_free_bytes{{{ONE}}}", "caches"),
                      (f"venus_memory_free_bytes{{{ONE}}}", "free")]),
    panel("Swap", "timeseries", "bytes", "Swap space, and how much of it is in use.",
          graphite=[alias("$node.memory.{swapUsed,swapTotal}", 2)],
          prometheus=[(f"venus_memory_swap_used_bytes{{{ONE}}}", "swapUsed"), (f"venus_memory_swap_total_bytes{{{ONE}}}", "swapTotal")]),
    panel("Network", "timeseries", "Bps", f"Received and sent, the {TOP} busiest of each. Of containers, what the container receives is rx.",
          graphite=[relative(highest(per_second(f"$node.net.*.{way}_bytes", f"$node.net.*.*.{way}_bytes", f"$node.net.*.*.*.{way}_bytes")), r"net\.") for way in ("rx", "tx")],
          prometheus=[(top(rate(f"venus_network_{way}_bytes_total{{{ONE}}}"), "instance, interface"), "{{interface}} " + way) for way in ("receive", "transmit")]),
    panel("Network packets", "timeseries", "pps", f"Packets received and sent, the {TOP} busiest interfaces of each.",
          graphite=[relative(highest(per_second(f"$node.net.*.{way}_packets", f"$node.net.*.*.{way}_packets", f"$node.net.*.*.*.{way}_packets")), r"net\.") for way in ("rx", "tx")],
          prometheus=[(top(rate(f"venus_network_{way}_packets_total{{{ONE}}}"), "instance, interface"), "{{interface}} " + way) for way in ("receive", "transmit")]),
    panel("New network errors", "timeseries", "short", f"Packets with an error, from one point to the next; the {TOP} worst.", thresholds=steps(1, 100), bars=True,
          graphite=[relative(highest(increase("$node.net.*.{rx,tx}_errors", "$node.net.*.*.{rx,tx}_errors", "$node.net.*.*.*.{rx,tx}_errors")), r"net\.")],
          prometheus=[(top(f"increase(venus_network_{way}_errors_total{{{ONE}}}[$__rate_interval])", "instance, interface"), "{{interface}} " + way)
                      for way in ("receive", "transmit")]),
    panel("Disks", "timeseries", "Bps", f"Read and written, the {TOP} busiest devices of each; a partition's is in its disk's. The check metrics-disk.",
          graphite=[relative(highest(times(per_second(f"$node.disk.*.sectors{way}"), 512)), r"disk\.") for way in ("Read", "Written")],
          prometheus=[(top(rate(f"venus_disk_{way}_bytes_total{{{ONE}}}"), "instance, device"), "{{device}} " + way) for way in ("read", "written")]),
    panel("Disks busy", "timeseries", "percent", f"Time in which a device had a request, the {TOP} busiest. The check metrics-disk.", thresholds=steps(80, 95),
          graphite=[alias(highest(times(per_second("$node.disk.*.ioTime"), 0.1)), 2)],
          prometheus=[(top("100 * " + rate(f"venus_disk_io_time_seconds_total{{{ONE}}}"), "instance, device"), "{{device}}")]),
    panel("File systems", "timeseries", "percent", f"How full they are, the {TOP} fullest. The check metrics-disk-usage.", thresholds=steps(85, 95), max=100,
          graphite=[relative(highest("group(" + ",".join("$node.disk_usage.root" + ".*" * depth + ".used_percentage" for depth in range(5)) + ")"), r"disk_usage\.")],
          prometheus=[(top(f"100 * venus_filesystem_used_ratio{{{ONE}}}", "instance, mount"), "{{mount}}")]),
    panel("Interrupts and context switches", "timeseries", "ops", "Of the whole node.",
          graphite=[alias("perSecond($node.cpu.{intr,ctxt})", 2)],
          prometheus=[(rate(f"venus_interrupts_total{{{ONE}}}"), "intr"), (rate(f"venus_context_switches_total{{{ONE}}}"), "ctxt")]),
    panel("Tasks", "timeseries", "short", "Tasks that run or could, and that wait for I/O; and how many were made within a second.",
          graphite=[alias("$node.cpu.procs_{running,blocked}", 2), named("perSecond($node.cpu.processes)", "made per second")],
          prometheus=[(f"venus_processes_running{{{ONE}}}", "procs_running"), (f"venus_processes_blocked{{{ONE}}}", "procs_blocked"),
                      (rate(f"venus_forks_total{{{ONE}}}"), "made per second")]),
    panel("InfiniBand", "timeseries", "Bps", "Received and sent by each port, in bytes. Empty on a node without.",
          graphite=[relative(highest(times(per_second(*port("$node", name)), 4)), r"infiniband\.") for name in ("PortRcvData", "PortXmitData")],
          prometheus=[(top(rate(f'venus_infiniband_{way}_bytes_total{{{ONE},end="local"}}'), "instance, device, port"), "{{device}} port {{port}} " + way)
                      for way in ("receive", "transmit")]),
    panel("New InfiniBand errors", "timeseries", "short", f"What error counters grew by from one point to the next, the {TOP} worst. Empty on a node without.",
          thresholds=steps(1, 100), bars=True, graphite=[relative(highest(increase(*port("$node", NAMES))), r"infiniband\.")],
          prometheus=[(top("increase(" + EVENTS + f',{ONE},end="local"}}[$__rate_interval])', "instance, device, port, counter"),
                       "{{device}} port {{port}} {{counter}}")]),
    panel("Checks that are not OK", "table", "short", "What this node's checks said last: 1 warning, 2 critical, others unknown.", thresholds=steps(1, 2),
          only="results of checks go to the Sensu server and not to Graphite; see Uchiwa",
          prometheus=[(f"venus_check_status{{{ONE}}} > 0", "{{check}}")]),
]

FABRIC = r"^.*?([^.(]+)\.infiniband\.([^,()]+)\.[^.,()]+.*$"


def link(name):
    """A fact of each port, named after node and port, the lowest first."""
    return rf'aliasSub(lowestAverage(group({",".join(port("$node", name))}),{TOP}),"{FABRIC}","\1 \2")'


INFINIBAND = [
    panel("Ports", "stat", "short", "Ports of the chosen nodes.",
          graphite=[named(f"countSeries({','.join(port('$node', 'state'))})", "ports")],
          prometheus=[(f'count(venus_infiniband_state{{{ONE},end="local"}})', "ports")]),
    panel("Ports that are not active", "stat", "short", "Ports that carry no data; one without a cable counts as well.", thresholds=[(None, "green"), (1, "orange")],
          graphite=[named(f"sumSeries(isNonNull(removeAboveValue(group({','.join(port('$node', 'state'))}),3)))", "not active")],
          prometheus=[(f'count(venus_infiniband_state{{{ONE},end="local"}} < 4) or vector(0)', "not active")]),
    panel("New errors", "stat", "short", "What all error counters grew by in the time shown, both ends of the cables.", reduce="sum", thresholds=steps(1, 100),
          graphite=[named(added(f"sumSeries({growth(*port('$node', NAMES), *port('$node', NAMES, '.remote.'))})"), "errors")],
          prometheus=[("sum(increase(" + EVENTS + f",{ONE}}}[$__rate_interval]))", "errors")]),
    panel("Throughput", "stat", "Bps", "Sent by all ports of the chosen nodes.",
          graphite=[named(f"sumSeries({times(per_second(*port('$node', 'PortXmitData')), 4)})", "sent")],
          prometheus=[("sum(" + rate(f'venus_infiniband_transmit_bytes_total{{{ONE},end="local"}}') + ")", "sent")]),
    *[panel(f"{title}, top {TOP}", "timeseries", "Bps", f"{title} by each port in bytes per second: {counter} counts 4 octets.",
            graphite=[rf'aliasSub({highest(times(per_second(*port("$node", counter)), 4))},"{FABRIC}","\1 \2")'],
            prometheus=[(top(rate(f'venus_infiniband_{way}_bytes_total{{{ONE},end="local"}}'), "instance, device, port"), "{{instance}} {{device}} {{port}}")])
      for title, counter, way in (("Received", "PortRcvData", "receive"), ("Sent", "PortXmitData", "transmit"))],
    panel(f"Packets, top {TOP}", "timeseries", "pps", "Received and sent by each port.",
          graphite=[rf'aliasSub({highest(per_second(*port("$node", "{PortRcvPkts,PortXmitPkts}")))},"^.*?([^.(]+)\.infiniband\.([^,()]+).*$","\1 \2")'],
          prometheus=[(top(rate(f'venus_infiniband_{way}_packets_total{{{ONE},end="local"}}'), "instance, device, port"), "{{instance}} {{device}} {{port}} " + way)
                      for way in ("receive", "transmit")]),
    panel("Use of the link", "heatmap", "percent", "How many ports (colour) send how much of what their link carries, coding included.", size=(12, 8),
          only="Graphite would have to match each counter with the rate of its own port, which its functions do by one node of the path alone",
          prometheus=[("100 * " + rate(f'venus_infiniband_transmit_bytes_total{{{ONE},end="local"}}')
                       + " / on (instance, device, port, end) venus_infiniband_bytes_per_second", "{{instance}} {{device}} {{port}}")]),
    *[panel(f"New errors at {where}, top {TOP}", "timeseries", "short", f"{text} What each counter grew by from one point to the next. {then}",
            thresholds=steps(1, 100), bars=True,
            graphite=[rf'aliasSub({highest(increase(*port("$node", NAMES, end)))},"^.*?([^.(]+)\.infiniband\.([^,()]+).*$","\1 \2")'],
            prometheus=[(top("increase(" + EVENTS + f',{ONE},end="{label}"}}[$__rate_interval])', "instance, device, port, counter"),
                         "{{instance}} {{device}} {{port}} {{counter}}")])
      for where, end, label, text, then in (
          ("the node", ".", "local", "At the node's end of the cable.", "A counter that stops at its end has to be reset to count on."),
          ("the other end", ".remote.", "remote", "At the switch's end of the cable.", "Read with `remote` of metrics-infiniband only."))],
    panel("Waiting to send", "timeseries", "ops", f"Ticks of each port in which data waited and could not be sent: congestion. The {TOP} worst.",
          graphite=[rf'aliasSub({highest(per_second(*port("$node", "PortXmitWait")))},"{FABRIC}","\1 \2")'],
          prometheus=[(top(rate(f'venus_infiniband_port_events_total{{{ONE},end="local",counter="PortXmitWait"}}'), "instance, device, port"), "{{instance}} {{device}} {{port}}")]),
    panel("State", "timeseries", "short", f"1 down, 2 initialize, 3 armed, 4 active; the {TOP} lowest.", thresholds=BELOW_FOUR, points=True,
          graphite=[link("state")],
          prometheus=[(f'bottomk({TOP}, venus_infiniband_state{{{ONE},end="local"}})', "{{instance}} {{device}} {{port}}")]),
    panel("Width", "bargauge", "short", f"Lanes of each link, the {TOP} narrowest: one that has fewer than its like has a bad cable.", graphite=[link("width")],
          prometheus=[(f'bottomk({TOP}, venus_infiniband_lanes{{{ONE},end="local"}})', "{{instance}} {{device}} {{port}}")]),
    panel("Speed", "bargauge", "Bps", f"What all lanes of each link carry, coding included, the {TOP} slowest.",
          graphite=[link("rate").replace("lowestAverage(group(", "lowestAverage(scale(group(", 1).replace(f"),{TOP})", f"),125000000),{TOP})", 1)],
          prometheus=[(f'bottomk({TOP}, venus_infiniband_bytes_per_second{{{ONE},end="local"}})', "{{instance}} {{device}} {{port}}")]),
]

OF = r"^.*?[^.(]+\.(container|job)\.([^.,()]+).*$"


def group(name, shape=lambda paths: paths, end=""):
    """A figure of each container and job, the highest."""
    return rf'aliasSub({highest(shape("$node.{container,job}.*." + name))},"{OF}","\1 \2{end}")'


def rates(factor=1):
    """The rate of what is counted in this unit."""
    return lambda paths: times(per_second(paths), factor) if factor != 1 else per_second(paths)


def p_group(metric, shape=lambda metric: metric, end=""):
    """The same for Prometheus."""
    return top(shape(f"venus_cgroup_{metric}{{{ONE}}}"), "instance, kind, name"), "{{kind}} {{name}}" + end


CONTAINERS = [
    panel("Containers and jobs", "stat", "short", "Control groups of containers and SLURM jobs on the node.",
          graphite=[named("countSeries($node.{container,job}.*.pids.current)", "groups")],
          prometheus=[(f"count(venus_cgroup_tasks{{{ONE}}})", "groups")]),
    panel("Killed for memory", "stat", "short", "Processes that were killed in the time shown, as a group's limit was reached.", reduce="sum", thresholds=[(None, "green"), (1, "red")],
          graphite=[named(added(f"sumSeries({growth('$node.{container,job}.*.memory.oom_kill')})"), "killed")],
          prometheus=[(f"sum(increase(venus_cgroup_memory_oom_kills_total{{{ONE}}}[$__rate_interval]))", "killed")]),
    panel("Processors", "timeseries", "short", f"Processors that each container and job keeps busy; 1 is one of them all the time. Top {TOP}.",
          graphite=[group("cpu.usage_usec", rates("0.000001"))], prometheus=[p_group("cpu_seconds_total", rate)]),
    panel("Waited at the limit", "timeseries", "percentunit", f"Time that tasks waited as their group had used up its processors, per second. Top {TOP}. Only groups with a limit.",
          thresholds=steps(0.1, 0.5), graphite=[group("cpu.throttled_usec", rates("0.000001"))], prometheus=[p_group("cpu_throttled_seconds_total", rate)]),
    panel("Memory", "timeseries", "bytes", f"Memory of each container and job, its page cache included. Top {TOP}.",
          graphite=[group("memory.current")], prometheus=[p_group("memory_bytes")]),
    panel("Memory limits", "timeseries", "bytes", f"What each may use, where there is a limit. Top {TOP}.",
          graphite=[group("memory.max")], prometheus=[p_group("memory_limit_bytes")]),
    panel("Block devices", "timeseries", "Bps", f"Read and written. Top {TOP} of each.",
          graphite=[group("io.rbytes", rates(), " read"), group("io.wbytes", rates(), " written")],
          prometheus=[p_group("read_bytes_total", rate, " read"), p_group("written_bytes_total", rate, " written")]),
    panel("Tasks", "timeseries", "short", f"Processes and threads of each. Top {TOP}.", graphite=[group("pids.current")], prometheus=[p_group("tasks")]),
    panel("Network", "timeseries", "Bps",
          f"Received and sent by each container, Swarm task (by service and slot), job and named namespace. Top {TOP} of each. With `name_by: container` of metrics-net.",
          graphite=[relative(highest(per_second(f"$node.net.{{container,job,netns}}.*.*.{way}_bytes")), r"net\.") for way in ("rx", "tx")],
          prometheus=[(top(rate(f'venus_network_{way}_bytes_total{{{ONE},interface=~"(container|job|netns)[.].+"}}'), "instance, interface"), "{{interface}} " + way)
                      for way in ("receive", "transmit")]),
]

COUNTED = "Of the check metrics-agent, where it is configured."
CUT_OFF = "an agent without a broker can tell Graphite nothing; see Silent nodes of the overview"
SERVER = "Prometheus does not ask the Sensu server; its figures are Graphite's, by metrics-sensu"
PROCESS = "Of the check metrics-process with `process_name: venus-agent`, where it is configured."


def own(title, unit, text, target, expr, **more):
    """A figure of the agents themselves, the highest."""
    return panel(title, "timeseries", unit, text, note=COUNTED, graphite=[alias(highest(target), 0)], prometheus=[(top(expr), "{{instance}}")], **more)


def all_results(what):
    """The rate of what all agents count of results."""
    return named(f'sumSeries({per_second(f"*.agent.results_{what}")})', what)


AGENT = [
    panel("Agents", "stat", "short", "Nodes that told their load within the last minute.", graphite=[named(ALIVE, "agents")], prometheus=[('sum(up{job="venus"})', "agents")]),
    panel("Agents without a broker", "stat", "short", "Agents that have no connection now; what they have to say waits in their spool.",
          thresholds=[(None, "green"), (1, "red")], only=CUT_OFF, prometheus=[("count(venus_connected == 0) or vector(0)", "without")]),
    panel("Results dropped", "stat", "short", "Results that were given up in the time shown, as too many waited or for too long.", note=COUNTED, reduce="sum",
          thresholds=[(None, "green"), (1, "red")], graphite=[named(added(f'sumSeries({growth("*.agent.results_dropped.*")})'), "dropped")],
          prometheus=[("sum(increase(venus_results_dropped_total[$__rate_interval]))", "dropped")]),
    panel("Results", "timeseries", "ops", "Results that all agents took, and that the broker confirmed. Where they part, the rest waits.", note=COUNTED,
          graphite=[all_results("taken"), all_results("delivered"), all_results("returned"), all_results("spooled")],
          prometheus=[("sum(rate(venus_results_taken_total[$__rate_interval]))", "taken"), ("sum(rate(venus_results_delivered_total[$__rate_interval]))", "delivered"),
                      ("sum(rate(venus_results_returned_total[$__rate_interval]))", "returned"), ("sum(rate(venus_results_spooled_total[$__rate_interval]))", "spooled")]),
    own(f"Spool, top {TOP}", "short", "Results that wait on the disk.", "*.agent.spool_results", "venus_spool_results"),
    own(f"Size of the spool, top {TOP}", "bytes", "What the spool's files take.", "*.agent.spool_bytes", "venus_spool_bytes"),
    own(f"Age of the spool, top {TOP}", "s", "How long the oldest result there has waited.", "*.agent.spool_oldest_seconds", "venus_spool_oldest_seconds", thresholds=steps(60, 3600)),
    own(f"Waiting in memory, top {TOP}", "short", "Results that are on their way or wait for a connection.", "*.agent.results_in_memory", "venus_results_in_memory"),
    own(f"Lateness, top {TOP}", "s", "How much later than planned the last checks were started.", "*.agent.checks_late_seconds", "venus_checks_late_seconds", thresholds=steps(1, 10)),
    own(f"Runs left out, top {TOP}", "ops", "Runs of checks that were left out, as their time was over.", per_second("*.agent.checks_missed"), rate("venus_checks_missed_total")),
    own(f"Reconnections, top {TOP}", "short", "New connections to the broker, from one point to the next.", increase("*.agent.connections"), "increase(venus_connections_total[$__rate_interval])"),
    panel(f"Clock, top {TOP}", "timeseries", "s",
          "How far clocks are off. Prometheus: from the broker's, in whole seconds; the agent asks hourly. Graphite: what the kernel still has to move it by, of the check metrics-clock.",
          thresholds=steps(1, 5), graphite=[alias(highest("absolute(*.clock.offset)"), 0)],
          prometheus=[(top("abs(venus_clock_offset_seconds)"), "{{instance}}")]),
    panel(f"CPU of the agents, top {TOP}", "timeseries", "percent", f"Of one processor. {PROCESS}", thresholds=steps(5, 20),
          graphite=[alias(highest("perSecond(*.process.venus-agent.cpu.ticks)"), 0)],
          prometheus=[(top("100 * " + rate('venus_process_cpu_seconds_total{process="venus-agent"}')), "{{instance}}")]),
    panel(f"Memory of the agents, top {TOP}", "timeseries", "bytes", f"Resident. {PROCESS}", thresholds=steps(16 << 20, 64 << 20),
          graphite=[alias(highest("*.process.venus-agent.memory.rss"), 0)],
          prometheus=[(top('venus_process_resident_memory_bytes{process="venus-agent"}'), "{{instance}}")]),
    panel(f"Open files of the agents, top {TOP}", "timeseries", "short", PROCESS,
          graphite=[alias(highest("*.process.venus-agent.fds"), 0)], prometheus=[(top('venus_process_open_fds{process="venus-agent"}'), "{{instance}}")]),
    panel("Waiting for the Sensu server", "timeseries", "short", "Messages in the queues of results and keepalives that no server has taken. Of metrics-sensu, on one host.",
          only=SERVER, thresholds=steps(1000, 10000), graphite=[alias(highest("*.sensu.transport.{results,keepalives}.messages"), 0, 3)]),
]

# Their series are nodes: a click on one leads to it.
for each in OVERVIEW + AGENT:
    each["by_node"] = each["title"].endswith(f", top {TOP}")

# Title, description, the variable `node` (none, one, many), panels.
DASHBOARDS = {
    "venus-overview": ("Venus: overview", "All nodes: a heat map of each, and the 20 that stand out.", None, OVERVIEW),
    "venus-node": ("Venus: node", "Everything of one node.", "one", NODE),
    "venus-infiniband": ("Venus: InfiniBand", "Ports and cables: how much they carry, and what goes wrong.", "many", INFINIBAND),
    "venus-containers": ("Venus: containers", "Containers, Swarm tasks and SLURM jobs of a node.", "one", CONTAINERS),
    "venus-agent": ("Venus: agents", "The agents themselves: what waits, what is late, what they cost.", None, AGENT),
}
