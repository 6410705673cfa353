-- What tests/oracle/score.sh asks of a capture beside its facts, in the same reading of tshark (-X lua_script:tests/oracle/packets.lua): a line per packet of TCP or UDP in the file PACKETS, with tabs between the fields below and
-- commas between several values of one; and the hits of the display filters of all rules. Lines `RULE KEY FILTER` come from the file FILTERS; lines `RULE KEY FRAME` go to the file HITS, `error RULE MESSAGE` for a filter that tshark refuses.
local names = { "tcp.stream", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.analysis.flags", "frame.number", "udp.srcport", "udp.dstport",
    "tcp.analysis.lost_segment", "tcp.analysis.ack_lost_segment", "geneve.vni", "vxlan.vni",
    "frame.interface_id", "tcp.flags.syn", "tcp.seq_raw", "tcp.ack_raw" }
local fields = {}
for i, name in ipairs(names) do fields[i] = Field.new(name) end

local function values(field)
    local all = { field() }
    for i, info in ipairs(all) do all[i] = info.value == nil and "1" or tostring(info.value) end
    return table.concat(all, ",")
end

local packets, hits = assert(io.open(os.getenv("PACKETS"), "w")), assert(io.open(os.getenv("HITS"), "w"))
local every = Listener.new("frame", "tcp || udp")
function every.packet()
    local row = {}
    for i, field in ipairs(fields) do row[i] = values(field) end
    packets:write(table.concat(row, "\t"), "\n")
end
function every.draw() packets:flush() end

for line in io.lines(os.getenv("FILTERS")) do
    local rule, key, filter = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local made, tap = pcall(Listener.new, "frame", filter)
    if made then
        function tap.packet(pinfo) hits:write(rule, "\t", key, "\t", pinfo.number, "\n") end
        function tap.draw() hits:flush() end
    else
        hits:write("error\t", rule, "\t", (tostring(tap):gsub("\n.*", "")), "\n")
        hits:flush()
    end
end
