# Ids are compared for as long as the store has them, whatever their age. Where they were dropped, a repeated delivery is too late.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"r1","time":"2024-01-05T10:00:00Z","customer":"acme","service":"api","cost":"0.25"}
> {"id":"r2","time":"2024-01-20T11:30:00Z","customer":"bolt","service":"llm","cost":"0.5"}
> {"id":"r3","time":"2024-02-02T09:00:00Z","customer":"acme","service":"api","cost":"1"}
> END
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":3,"accepted":3,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":3,"accepted":0,"duplicate":3,"conflict":0,"invalid":0,"too_late":0}
$ quipu event S --customer acme --id r1 | sed 's/^file = .*/file = .../'
id = r1
time = 2024-01-05T10:00:00Z
customer = acme
service = api
quantity = 1
cost = 0.25
tier = hot
$ quipu event S --customer acme --id r9
quipu: no event with the id 'r9' of this customer and source is stored
[exit 1]
# Single events of the api go after two months; those of other services stay.
$ quipu policy S --rule name=short,service=api,raw=60 > policy && quipu retain S
2 months: 0 events archived (0 bytes), 2 kept as summaries only, 0 deleted
$ quipu import S events.ndjson > account
events.ndjson:1: the store has dropped ids of this month and service (retention, archive), so it cannot tell whether the event was counted; if it was not, import it with --producer
events.ndjson:3: the store has dropped ids of this month and service (retention, archive), so it cannot tell whether the event was counted; if it was not, import it with --producer
[exit 1]
$ sed 's/ in .*//' account
accepted 0, duplicate 1, conflict 0, invalid 0, too late 2
$ quipu event S --customer bolt --id r2 --json | sed 's/"file":"[^"]*"/"file":"..."/'
{"event":{"id":"r2","source":"","time":"2024-01-20T11:30:00Z","customer":"bolt","service":"llm","quantity":1,"cost":0.5,"dimensions":{},"measures":{}},"tier":"L0","file":"...","commits":[1,1]}
$ quipu event S --customer acme --id r1
quipu: no event with the id 'r1' of this customer and source is among those whose ids are stored; ids of some events before 2024-03-01T00:00:00Z were dropped or are in a detached archive, so it may have been one of them
[exit 1]
# What was never counted is told by a producer's stamp, not by its id. It is on whoever sends it not to send it twice.
$ cat > missed.ndjson <<END
> {"id":"r4","time":"2024-01-07T10:00:00Z","customer":"acme","service":"api","cost":"4"}
> END
$ quipu import S missed.ndjson > account
missed.ndjson:1: the store has dropped ids of this month and service (retention, archive), so it cannot tell whether the event was counted; if it was not, import it with --producer
[exit 1]
$ quipu import S missed.ndjson --producer backfill --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":1,"accepted":1,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu usage S --window month --format csv
window_start,service,count,sum(quantity),sum(cost)
2024-01-01T00:00:00Z,api,2,2,4.25
2024-01-01T00:00:00Z,llm,1,1,0.5
2024-02-01T00:00:00Z,api,1,1,1
# What a policy archives loses its ids, too, once 40 days have passed since the month's end, unless they are to be kept.
$ quipu policy S --rule name=cold,archive=60 --keep-ids
cold: service any, class any; events -, archive after 60 days, summaries -, delete after -
archived events keep their ids
$ quipu retain S | sed 's/([0-9]* bytes)/(<N> bytes)/'
1 month: 2 events archived (<N> bytes), 0 kept as summaries only, 0 deleted
$ quipu policy S --rule name=cold,archive=60
cold: service any, class any; events -, archive after 60 days, summaries -, delete after -
$ quipu retain S | sed 's/([0-9]* bytes)/(<N> bytes)/'
1 month: 0 events archived (<N> bytes), 0 kept as summaries only, 0 deleted; ids of 2 archived events dropped
$ quipu verify S > verified || cat verified
