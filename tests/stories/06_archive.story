# Three months of events. The oldest goes to an archive folder, which can be taken away and brought back.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"r1","time":"2024-01-05T10:00:00Z","customer":"acme","service":"api","cost":"0.25","dimensions":{"region":"eu"}}
> {"id":"r2","time":"2024-01-20T11:30:00Z","customer":"bolt","service":"api","cost":"0.5","dimensions":{"region":"us"}}
> {"id":"r3","time":"2024-02-02T09:00:00Z","customer":"acme","service":"api","cost":"1","dimensions":{"region":"eu"}}
> {"id":"r4","time":"2024-03-02T09:00:00Z","customer":"acme","service":"api","cost":"2","dimensions":{"region":"eu"}}
> END
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":4,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu archive S --before 2024-02 --to cold | sed 's/([0-9]* bytes)/(<N> bytes)/'
1 month: 2 events archived (<N> bytes), 0 kept as summaries only, 0 deleted
$ quipu partitions S --format csv | cut -d, -f1,2,3
month,tier,rows
2024-01,archive,2
2024-02,L0,1
2024-03,L0,1
$ quipu query S --select 'count,sum(cost)' --group-by region --format csv
region,count,sum(cost)
eu,3,3.25
us,1,0.5
$ quipu archive S --detach cold | sed 's/.*cold: /cold: /; s/[0-9]* bytes/<N> bytes/'
cold: detached, 1 segment, 2 events, <N> bytes, 2024-01 to 2024-01
$ quipu usage S 2>&1 | sed "s/'[^']*cold'/'cold'/"
quipu: events of 2024-01 are in the detached archive folder 'cold'; attach it (`quipu archive DIR --attach FOLDER`) or ask for times outside its months
$ quipu usage S --from 2024-02-01 --format csv
service,count,sum(quantity),sum(cost)
api,2,2,3
$ mv cold elsewhere
$ quipu archive S --attach elsewhere > /dev/null && quipu usage S --format csv
service,count,sum(quantity),sum(cost)
api,4,4,3.75
# A policy: single events go after a year, their daily summaries stay exact.
$ quipu policy S --rule name=all,raw=365
all: service any, class any; events 365 days, archive after -, summaries -, delete after -
$ quipu retain S
3 months: 0 events archived (0 bytes), 4 kept as summaries only, 0 deleted
$ quipu usage S --window month --format csv
window_start,service,count,sum(quantity),sum(cost)
2024-01-01T00:00:00Z,api,2,2,0.75
2024-02-01T00:00:00Z,api,1,1,1
2024-03-01T00:00:00Z,api,1,1,2
$ quipu query S --select count --group-by region
quipu: single events of service 'api' in 2024-01 have expired, only daily summaries are left: ask for whole UTC days, without filters or groups by dimension, first, latest and quantiles by customer, or from 2024-02-01T00:00:00Z on
[exit 1]
$ quipu verify S > verified || cat verified
