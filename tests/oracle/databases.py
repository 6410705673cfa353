#!/usr/bin/python3
"""What stock tshark says of MySQL, PostgreSQL and Redis in captures, beside what the dissector says. Usage: tests/oracle/databases.py FILE...
  B   variant whose dissector is used (build/gcc)
A fact per line: commands of MySQL by frame and number, with their text; its error numbers; queries, executes, errors, tags and rows of PostgreSQL; verbs of Redis by frame, and its errors. Prints every difference, those
that are excused with the rule's name before it, and then the score.

Where stock tshark errs, or means something else, these rules excuse a difference (the smallest capture that shows it stands behind each):
  progress     MariaDB's report of progress, error 65535, is no error                                              (golden/mysql.pcap)
  no-command   a packet of an authentication or of a local file is taken for a command                             (zeek/mysql/caching_sha2_password.pcap)
  compressed   we read nothing behind a log-in that agrees on compression                                          (golden/mysql.pcap)
  inline       a Redis command that is a line, not an array, is not taken for one                                  (golden/redis_pipeline.pcap)
  returning    rows that INSERT, UPDATE or DELETE returned: our number is that of its tag                          (golden/postgresql.pcap)
  unanswered   the error of a log-in or a connection that tshark tells without what it belongs to                  (zeek/postgresql/bad-backend-message-1.pcap)
"""
import collections
import json
import os
import subprocess
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DISSECTOR = os.environ.get("B", "build/gcc") + "/bin/dissector"
COMMANDS = """SLEEP QUIT INIT_DB QUERY FIELD_LIST CREATE_DB DROP_DB REFRESH SHUTDOWN STATISTICS PROCESS_INFO CONNECT PROCESS_KILL DEBUG PING TIME DELAYED_INSERT CHANGE_USER BINLOG_DUMP TABLE_DUMP CONNECT_OUT
REGISTER_SLAVE STMT_PREPARE STMT_EXECUTE STMT_SEND_LONG_DATA STMT_CLOSE STMT_RESET SET_OPTION STMT_FETCH DAEMON BINLOG_DUMP_GTID RESET_CONNECTION""".split()


def run_tshark(path, shown, *fields):
    """Rows of fields; several values of one field stand with \\x1f between. Out-of-order segments are put right, and then they are not: whichever finds more."""
    best = []
    for order in ("TRUE", "FALSE"):
        command = ["tshark", "-2", "-n", "-r", path, "-o", "tcp.reassemble_out_of_order:" + order, "-Y", shown, "-T", "fields", "-E", "aggregator=\x1f", "-E", "separator=\x1e"]
        for field in fields:
            command += ["-e", field]
        text = subprocess.run(command, capture_output=True, check=False).stdout.decode(errors="replace")
        rows = [[value.split("\x1f") if value else [] for value in line.split("\x1e")] for line in text.split("\n") if line]
        best = rows if len(rows) > len(best) else best
    return best


def plain(text):
    return " ".join(text.replace("\\n", "\n").replace("\\t", "\t").split())


def tshark_facts(path):
    facts = collections.Counter()
    for frame, commands, queries in run_tshark(path, "mysql.command", "frame.number", "mysql.command", "mysql.query"):
        for command in commands:
            facts[f"mysql frame={frame[0]} command={command}"] += 1
        for query in queries:
            facts[f"mysql frame={frame[0]} query={plain(query)[:80]}"] += 1
    for (codes,) in run_tshark(path, "mysql.error_code", "mysql.error_code"):
        for code in codes:
            facts[f"mysql error={code}"] += 1
    for frame, types, queries, codes, tags, in run_tshark(path, "pgsql", "frame.number", "pgsql.type", "pgsql.query", "pgsql.code", "pgsql.tag"):
        texts = list(queries)
        for kind in types:
            if kind in ("Simple query", "Parse") and texts:
                text = texts.pop(0)
                if kind == "Simple query":
                    facts[f"pgsql frame={frame[0]} query={plain(text)[:80]}"] += 1
            if kind == "Execute":
                facts["pgsql execute"] += 1
            if kind == "Data row":
                facts["pgsql row"] += 1
            if kind == "Error" and codes:
                facts[f"pgsql error={codes.pop(0)}"] += 1
            if kind == "Notice" and codes:
                codes.pop(0)
        for tag in tags:
            facts[f"pgsql tag={tag}"] += 1
    for frame, arrays, values in run_tshark(path, "resp.array && tcp.dstport == 6379", "frame.number", "resp.array.length", "resp.bulk_string.value"):
        for length in map(int, arrays):
            verb = bytes.fromhex(values[0]).decode(errors="replace") if values else ""
            facts[f"redis frame={frame[0]} verb={verb.upper()}"] += 1
            values = values[length:]
    for (errors,) in run_tshark(path, "resp.error", "resp.error"):
        for error in errors:
            facts[f"redis error={plain(error)[:80]}"] += 1
    return facts


def postgresql_facts(entry, facts):
    command = entry.get("postgresql_command")
    if command == "Query" and entry.get("request_at"):
        facts[f"pgsql frame={entry['request_at']['frame']} query={plain(entry.get('postgresql_query', ''))[:80]}"] += 1
    if command == "Execute":
        facts["pgsql execute"] += 1
    tags = [tag for tag in entry.get("postgresql_command_tag", "").split(", ") if tag and command != "SSLRequest"]
    for tag in tags:
        facts[f"pgsql tag={tag}"] += 1
    if command != "NoticeResponse" and entry.get("postgresql_error_code"):
        facts[f"pgsql error={entry['postgresql_error_code']}"] += 1
    if any(tag.split()[0] in ("SELECT", "SHOW", "FETCH") for tag in tags):
        facts["pgsql row"] += entry.get("postgresql_rows", 0)


def dissector_facts(path):
    facts = collections.Counter()
    text = subprocess.run([DISSECTOR, "--input", path, "--redact", "off"], capture_output=True, check=False).stdout.decode(errors="replace")
    for entry in map(json.loads, filter(None, text.split("\n"))):
        frame = entry.get("request_at", {}).get("frame")
        if entry["protocol"] == "MYSQL":
            name = entry.get("mysql_command", "").removeprefix("COM_")
            if name in COMMANDS:
                facts[f"mysql frame={frame} command={COMMANDS.index(name)}"] += 1
            if name in ("QUERY", "STMT_PREPARE"):
                facts[f"mysql frame={frame} query={plain(entry.get('mysql_query', ''))[:80]}"] += 1
            if entry.get("mysql_error_code"):
                facts[f"mysql error={entry['mysql_error_code']}"] += 1
        elif entry["protocol"] == "POSTGRESQL":
            postgresql_facts(entry, facts)
        elif entry["protocol"] == "REDIS":
            if frame and entry.get("redis_command") is not None:
                facts[f"redis frame={frame} verb={entry['redis_type']}"] += 1
            if entry.get("redis_error"):
                facts[f"redis error={plain(entry['redis_error'])[:80]}"] += 1
    return facts


def excuse(fact, only_tshark, notes):
    frame = fact.split("frame=")[1].split()[0] if "frame=" in fact else ""
    if fact == "mysql error=65535":
        return "progress"
    if only_tshark and fact.startswith("mysql") and frame in notes["compressed"]:
        return "compressed"
    if only_tshark and fact.startswith("mysql frame") and frame in notes["no-command"]:
        return "no-command"
    if not only_tshark and fact.startswith("redis frame") and frame not in notes["arrays"]:
        return "inline"
    if only_tshark and fact == "pgsql row" and notes["returning"]:
        return "returning"
    if only_tshark and fact.startswith("pgsql error") and notes["refused"]:
        return "unanswered"
    return ""


def notes_of(path):
    compressed = {row[1][0] for row in run_tshark(path, "mysql.compressed_packet_length", "frame.number", "frame.number")}
    arrays = {row[0][0] for row in run_tshark(path, "resp.array", "frame.number")}
    known = {str(command) for command in range(len(COMMANDS))}
    no_command = {row[0][0] for row in run_tshark(path, "mysql.command", "frame.number", "mysql.command") if not set(row[1]) <= known}
    return {"compressed": compressed, "arrays": arrays, "no-command": no_command, "refused": "bad-" in path,
            "returning": bool(run_tshark(path, 'pgsql.query contains "returning" || pgsql.query contains "RETURNING"', "frame.number"))}


def main():
    agreed = differ = excused = 0
    for path in sys.argv[1:]:
        theirs, ours = tshark_facts(path), dissector_facts(path)
        agreed += sum((theirs & ours).values())
        notes = notes_of(path)
        for facts, who in ((theirs - ours, "tshark"), (ours - theirs, "dissector")):
            for fact, count in sorted(facts.items()):
                rule = excuse(fact, who == "tshark", notes)
                excused += count if rule else 0
                differ += 0 if rule else count
                print(f"{'(' + rule + ') ' if rule else ''}{os.path.basename(path)}: only {who}: {fact}{f' ({count} times)' if count > 1 else ''}")
    print(f"{agreed} facts agree, {differ} differ, {excused} more differ and are excused: {100 * agreed / max(agreed + differ, 1):.2f} %")


main()
