-- For wrk: each request has the next path from the file "DIRECTORY/THREAD" for this thread. What is put
-- is put once; what is got, again and again.
-- wrk -s requests.lua URL -- METHOD DIRECTORY BODY-BYTES

local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(args)
   method, paths, at = args[1], {}, 0
   for line in io.lines(args[2] .. "/" .. number) do
      paths[#paths + 1] = line
   end
   body = string.rep("x", tonumber(args[3]))
end

function request()
   at = at + 1
   if at > #paths and method == "GET" then
      at = 1
   elseif at > #paths then
      error("no path is left: fewer seconds, or more paths")
   end
   return wrk.format(method, paths[at], {["Content-Type"] = "application/octet-stream"}, body)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format("result %d %d %d %d\n", summary.requests, summary.duration,
      latency:percentile(99), errors.status + errors.connect + errors.read + errors.write
      + errors.timeout))
end
