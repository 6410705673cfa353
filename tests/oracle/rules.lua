-- The display filters of all rules over one capture in one reading: tshark -2 -q -X lua_script:tests/oracle/rules.lua. Lines `RULE KEY FILTER`, tabs between, come from the file FILTERS; lines `RULE KEY FRAME` go to the file HITS,
-- and `error RULE MESSAGE` for a filter that tshark refuses.
local hits = assert(io.open(os.getenv("HITS"), "w"))
for line in io.lines(os.getenv("FILTERS")) do
    local rule, key, filter = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local made, tap = pcall(Listener.new, "frame", filter)
    if made then
        function tap.packet(pinfo) hits:write(rule, "\t", key, "\t", pinfo.number, "\n") end
        function tap.draw() hits:flush() end
    else
        hits:write("error\t", rule, "\t", tostring(tap):gsub("\n.*", ""), "\n")
        hits:flush()
    end
end
