#!/usr/bin/env python3
"""Captures of connections that several interfaces saw, each with losses of its own: writes views.pcapng into DIR (tests/golden). usage: make_views.py DIR

Nothing is random: the same bytes each time. Hand-made packets, because two real captures of one connection never lose the packets that a test wants."""
import struct
import sys

INTERFACES = ["veth0", "eth0", "veth1", "tunnel0"]
START_NS = 1767225600 * 10**9  # 2026-01-01


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return bytes(int(part) for part in text.split("."))


def frame(source, destination, seq, ack, flags, payload):
    """Ethernet, IPv4, TCP. Ends are (address, port)."""
    tcp = struct.pack("!HHIIBBHHH", source[1], destination[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 501, 0, 0) + payload
    pseudo = address(source[0]) + address(destination[0]) + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, address(source[0]), address(destination[0]))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return bytes.fromhex("020000000002020000000001") + b"\x08\x00" + head + tcp


def wrapped(inner, vni=42):
    """In VXLAN between two nodes."""
    udp = struct.pack("!HHHH", 50000, 4789, 16 + len(inner), 0) + struct.pack("!II", 0x08000000, vni << 8) + inner
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0, address("192.168.0.1"), address("192.168.0.2"))
    return bytes.fromhex("020000000004020000000003") + b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


class Connection:
    """What both ends say, as a list of (from the client, seq, ack, flags, payload)."""

    def __init__(self, client_isn, server_isn):
        self.next = [client_isn, server_isn]
        self.packets = []

    def put(self, side, flags, payload=b""):
        ack = self.next[1 - side] if flags & 16 else 0
        self.packets.append((side, self.next[side], ack, flags, payload))
        self.next[side] += len(payload) + (1 if flags & 3 else 0)

    def handshake(self):
        self.put(0, 2)
        self.put(1, 18)
        self.put(0, 16)

    def say(self, side, data, piece):
        for at in range(0, len(data), piece):
            self.put(side, 24, data[at:at + piece])

    def call(self, path, body, piece=200):
        self.say(0, f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode(), piece)
        self.say(1, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body, piece)
        self.put(0, 16)

    def end(self):
        self.put(0, 17)
        self.put(1, 17)
        self.put(0, 16)


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def block(kind, body):
    total = len(body) + 12
    return struct.pack("<II", kind, total) + body + struct.pack("<I", total)


class Capture:
    def __init__(self, interfaces):
        self.blocks = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        for name in interfaces:
            options = struct.pack("<HH", 2, len(name)) + padded(name.encode()) + struct.pack("<HHB3x", 9, 1, 9) + struct.pack("<HH", 0, 0)
            self.blocks.append(block(1, struct.pack("<HHI", 1, 0, 262144) + options))
        self.waiting = []

    def add(self, interface, time_ns, data):
        self.waiting.append((time_ns, len(self.waiting), interface, data))

    def write(self, path):
        for time_ns, _, interface, data in sorted(self.waiting):
            self.blocks.append(block(6, struct.pack("<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data)) + padded(data)))
        with open(path, "wb") as f:
            f.write(b"".join(self.blocks))


def pass_by(capture, connection, start_ns, views, step_ns=1000000):
    """views: (interface, client, server, delay, seen(number of the packet, packet), changed(packet))."""
    for number, packet in enumerate(connection.packets):
        for interface, client, server, delay_ns, seen, changed in views:
            if not seen(number, packet):
                continue
            side, seq, ack, flags, payload = changed(number, packet)
            ends = (client, server) if side == 0 else (server, client)
            data = frame(*ends, seq, ack, flags, payload)
            capture.add(interface, start_ns + number * step_ns + delay_ns, wrapped(data) if INTERFACES[interface] == "tunnel0" else data)


def as_is(_, packet):
    return packet


def everything(_, __):
    return True


def conversation(name, calls, handshake=True):
    c = Connection(0xFFFFFF00, 5000)  # the client's numbers wrap
    if handshake:
        c.handshake()
    for i in range(calls):
        c.call(f"/{name}/{i}", (f"{name} {i} ".encode() * 60)[:500])
    c.end()
    return c


def flipped(at):
    """One byte of that packet is another."""
    def change(number, packet):
        side, seq, ack, flags, payload = packet
        return (side, seq, ack, flags, payload[:-1] + b"#") if number == at else packet
    return change


def every(n, at):
    """All but each n-th packet, and never the handshake."""
    return lambda number, _: number < 3 or number % n != at


def main():
    capture = Capture(INTERFACES)
    web = ("10.0.0.2", 80)

    def ends(port):
        return ("10.0.0.1", port), web
    second = 10**9
    # Each view lost packets that the other has.
    pass_by(capture, conversation("both", 4), START_NS, [(0, *ends(1001), 0, every(4, 3), as_is), (1, *ends(1001), 20000, every(4, 1), as_is)])
    # A byte that both have is another: nothing is taken.
    pass_by(capture, conversation("other", 4), START_NS + second, [(0, *ends(1002), 0, every(4, 3), as_is), (1, *ends(1002), 20000, every(4, 1), flipped(6))])
    # Three views, of which any two lost the same packets.
    pass_by(capture, conversation("three", 4), START_NS + 2 * second,
            [(i, *ends(1003), i * 20000, lambda number, _, i=i: number < 3 or number % 3 == i, as_is) for i in range(3)])
    # From the middle, no handshake.
    pass_by(capture, conversation("middle", 5, False), START_NS + 3 * second, [(0, *ends(1004), 0, every(4, 3), as_is), (1, *ends(1004), 20000, every(4, 1), as_is)])
    # A service's address on one side, a pod's on the other: both handshakes are the same.
    pass_by(capture, conversation("service", 4), START_NS + 4 * second,
            [(0, ("10.0.0.1", 1005), ("10.96.0.1", 80), 0, every(4, 3), as_is), (1, ("10.0.0.1", 1005), ("10.0.0.9", 8080), 20000, every(4, 1), as_is)])
    # What the client says goes by one interface, what the server says by another.
    pass_by(capture, conversation("asymmetric", 4), START_NS + 5 * second,
            [(0, *ends(1006), 0, lambda _, packet: packet[0] == 0, as_is), (1, *ends(1006), 20000, lambda _, packet: packet[0] == 1, as_is)])
    # At a pod's interface, and in a tunnel between nodes.
    pass_by(capture, conversation("tunnel", 3), START_NS + 6 * second, [(0, *ends(1007), 0, every(4, 3), as_is), (3, *ends(1007), 20000, every(4, 1), as_is)])
    # Lost by all: a gap, and it says so.
    pass_by(capture, conversation("nobody", 4), START_NS + 7 * second,
            [(0, *ends(1008), 0, lambda number, _: number not in (9, 10), as_is), (1, *ends(1008), 20000, lambda number, _: number not in (10, 11, 16), as_is)])
    capture.write(f"{sys.argv[1]}/views.pcapng")


if __name__ == "__main__":
    main()
