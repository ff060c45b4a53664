# The first bad line ends an import; what came before it is stored. Errors name file and line.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"r1","time":"2026-03-01T10:00:00Z","customer":"acme","service":"api"}
> {"id":"r2","time":"yesterday","customer":"acme","service":"api"}
> {"id":"r3","time":"2026-03-01T10:00:02Z","customer":"","service":"api"}
> {"id":"r4","time":"2026-03-01T10:00:03Z","customer":"acme","service":"api","quantity":1e30}
> {"id":"r5","time":"2026-03-01T10:00:04Z","customer":"acme","service":"api","colour":"red"}
> not json
> {"id":"r1","time":"2026-03-01T10:00:00Z","customer":"acme","service":"other"}
> {"id":"r6","time":"2026-03-01T10:00:05Z","customer":"acme","service":"api"}
> END
$ quipu import S events.ndjson --json | sed 's/"seconds":[^i]*"inter/"inter/'
events.ndjson:2: time is "yesterday", which is not understood; write it like 2026-03-01T10:20:30Z
stopped at events.ndjson:2: the lines before it are stored, none after it; correct the line and import again (nothing is counted twice), or skip bad lines with --keep-going
{"files":0,"lines":2,"accepted":1,"duplicate":0,"conflict":0,"invalid":1,"too_late":0,"interrupted":false,"stopped_at":{"file":"events.ndjson","line":2}}
$ quipu query S --select count --format csv
count
1
# --keep-going skips the bad ones and imports the rest; a conflict is reported, too.
$ quipu import S events.ndjson --keep-going --json | sed 's/"seconds":[^i]*"inter/"inter/'
events.ndjson:2: time is "yesterday", which is not understood; write it like 2026-03-01T10:20:30Z
events.ndjson:3: customer is missing or empty; every event names one (--set customer=NAME gives a constant)
events.ndjson:4: quantity is "1e30", which has too many digits; a number is below 10^20 with at most 18 digits after the point
events.ndjson:5: unknown key "colour"; an event has id, source, time, customer, service, quantity, cost, dimensions, measures (other attributes go into dimensions and measures)
events.ndjson:6: not a JSON object; write one complete object on each line
events.ndjson:7: an event with this id is stored with other content; give the line another id or correct it
{"files":1,"lines":8,"accepted":1,"duplicate":1,"conflict":1,"invalid":5,"too_late":0,"interrupted":false,"stopped_at":null}
$ quipu query S --select count --group-by service --format csv
service,count
api,2
$ quipu import S events.ndjson --keep-going --errors-max 1 >/dev/null
events.ndjson:2: time is "yesterday", which is not understood; write it like 2026-03-01T10:20:30Z
further errors are counted but not shown (--errors-max shows more)
[exit 1]
$ quipu import S missing.ndjson
quipu: missing.ndjson: there is no such file; check the name
accepted 0, duplicate 0, conflict 0, invalid 0 in <seconds> (<rate>)
[exit 1]
