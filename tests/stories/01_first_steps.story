# A store is a folder. Three requests of two customers go in and are counted.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"r1","time":"2026-03-01T10:00:00Z","customer":"acme","service":"api","cost":"0.0025","dimensions":{"endpoint":"/chat"},"measures":{"tokens":512}}
> {"id":"r2","time":"2026-03-01T11:30:00Z","customer":"acme","service":"api","cost":"0.0005","dimensions":{"endpoint":"/chat"},"measures":{"tokens":88}}
> {"id":"r3","time":"2026-03-02T09:00:00Z","customer":"bolt","service":"storage","quantity":"1.5"}
> END
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":3,"accepted":3,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu usage S
service  count  sum(quantity)  sum(cost)
-------  -----  -------------  ---------
api          2              2      0.003
storage      1            1.5          -
2 rows, as of commit 1
$ quipu query S --select 'count,sum(tokens),sum(cost)' --group-by customer
customer  count  sum(tokens)  sum(cost)
--------  -----  -----------  ---------
acme          2          600      0.003
bolt          1            -          -
2 rows, as of commit 1
$ quipu query S --select 'count,sum(tokens),sum(cost)' --group-by customer --format json
{"columns":[{"name":"customer","type":"string"},{"name":"count","type":"integer"},{"name":"sum(tokens)","type":"decimal"},{"name":"sum(cost)","type":"decimal"}],"rows":[
["acme",2,600,0.003],
["bolt",1,null,null]],"as_of":1,"exact":true}
$ quipu query S --select 'count,sum(tokens),sum(cost)' --group-by customer --format csv
customer,count,sum(tokens),sum(cost)
acme,2,600,0.003
bolt,1,,
# What was not given is absent, not 0.
$ quipu query S --select 'count(tokens),min(tokens)' --customer bolt --format csv
count(tokens),min(tokens)
0,
$ quipu top S --by customer --measure 'sum(cost)'
customer  sum(cost)  count
--------  ---------  -----
acme          0.003      2
bolt              -      1
2 rows, as of commit 1
$ quipu partitions S | cut -c1-46 | sed 's/ *$//'
month    tier  rows  hot_rows  bytes  segments
-------  ----  ----  --------  -----  --------
2026-03  hot      3         3      0         0
1 row, as of commit 1
$ quipu compact S | sed 's/, segments for.*//'
compacted: segments 0 -> 1, bytes 0 -> 1723, events not sealed 3 -> 0
$ quipu usage S
service  count  sum(quantity)  sum(cost)
-------  -----  -------------  ---------
api          2              2      0.003
storage      1            1.5          -
2 rows, as of commit 1
$ quipu verify S > verified || cat verified
