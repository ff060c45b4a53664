# Errors by endpoint, over all customers: from rows first, then from cells that are declared for it. The answer is the same.
$ quipu init S
created S
$ seq 0 95 | awk 'BEGIN {print "id,time,customer,service,dimension:status,dimension:endpoint"} {printf "e%d,2026-03-%02dT%02d:00:00Z,c%d,api,%d,/%s\n", $1, 1 + $1 / 24, $1 % 24, $1 % 8, $1 % 8 ? 200 : 500, $1 % 24 < 10 ? "embed" : "chat"}' > events.csv
$ quipu import S events.csv --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":97,"accepted":96,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu summaries S
no summaries by dimension; `quipu advise` says which would pay
$ quipu advise S
0 of 0 events looked at; all summaries take 0 bytes now
no event is sealed yet, and only sealed ones are looked at; `quipu compact DIR` seals
$ quipu query S --select count --filter status=500 --group-by endpoint --window day --from 2026-03-02 --to 2026-03-03T12:30
window_start  endpoint  count
------------  --------  -----
2026-03-02    /chat         1
2026-03-02    /embed        2
2026-03-03    /embed        2
3 rows, as of commit 1
$ quipu summaries S --add api:endpoint,status:count --rows-min 2
api:endpoint,status:count: built in 1 of 1 segments with 96 events, 105 bytes
$ quipu query S --select count --filter status=500 --group-by endpoint --window day --from 2026-03-02 --to 2026-03-03T12:30
window_start  endpoint  count
------------  --------  -----
2026-03-02    /chat         1
2026-03-02    /embed        2
2026-03-03    /embed        2
3 rows, as of commit 1
$ quipu query S --select count --filter status=500 --group-by endpoint --explain | grep 'cells by'
  0000000001-2026-03.seg: cells by (status, endpoint): 2 month
# What comes later has the cells from its first seal on.
$ echo '{"id":"late","time":"2026-03-02T09:30:00Z","customer":"c9","service":"api","dimensions":{"status":"500","endpoint":"/chat"}}' | quipu import S - --format ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":1,"accepted":1,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu compact S > compact.txt
$ quipu query S --select count --filter status=500 --group-by endpoint
endpoint  count
--------  -----
/chat         5
/embed        8
2 rows, as of commit 2
$ quipu summaries S --drop api:endpoint,status
no summaries by dimension; `quipu advise` says which would pay
$ quipu summaries S --add api
quipu: --add: 'api' is not SERVICE:DIMENSION,...; for every service write *:DIMENSION,...
[exit 1]
