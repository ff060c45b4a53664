# Windows in zones, filters, trends. 29 March 2026 has 23 hours in Berlin.
$ quipu init S
created S
$ for h in 00 06 12 18; do for d in 28 29 30; do echo '{"id":"'$d$h'","time":"2026-03-'$d'T'$h':30:00+01:00","customer":"c'$h'","service":"api","dimensions":{"status":"'$((200 + 10#$h / 6 * 100))'"},"measures":{"ms":'$((10#$h + d))'.5}}'; done; done > events.ndjson
sh: 1: arithmetic expression: expecting EOF: "200 + 10#00 / 6 * 100"
[exit 2]
$ quipu import S events.ndjson >/dev/null
$ quipu query S --select 'count,sum(ms),max(ms)' --window day --zone Europe/Berlin
window_start  count  sum(ms)  max(ms)
------------  -----  -------  -------
0 rows, as of commit 0
$ quipu query S --select 'count' --window day --format csv
window_start,count
$ quipu query S --select 'count' --window hour --zone Europe/Berlin --from 2026-03-29 --to 2026-03-29T08:00 --fill --format csv
window_start,count
2026-03-29T00:00:00+01:00,0
2026-03-29T01:00:00+01:00,0
2026-03-29T03:00:00+02:00,0
2026-03-29T04:00:00+02:00,0
2026-03-29T05:00:00+02:00,0
2026-03-29T06:00:00+02:00,0
2026-03-29T07:00:00+02:00,0
$ quipu query S --select 'count,change(sum(ms)),change_percent(sum(ms))' --window day --zone Europe/Berlin --format csv
window_start,count,change(sum(ms)),change_percent(sum(ms))
$ quipu query S --select 'count,avg(ms)' --filter 'status!=200' --filter 'ms>=40' --group-by customer,status --order-by -count --format csv
customer,status,count,avg(ms)
$ quipu query S --select 'p50(ms),p99(ms),distinct(customer)' --filter 'status in 200,300' --format json
{"columns":[{"name":"p50(ms)","type":"decimal"},{"name":"p99(ms)","type":"decimal"},{"name":"distinct(customer)","type":"integer"}],"rows":[
[null,null,0]],"as_of":0,"exact":true}
$ quipu peaks S --window hour --limit 2
window_start  count  sum(quantity)
------------  -----  -------------
0 rows, as of commit 0
$ quipu trends S --measure ms --zone Europe/Berlin
window_start  sum(ms)  change(sum(ms))  change_percent(sum(ms))
------------  -------  ---------------  -----------------------
0 rows, as of commit 0
$ quipu stats S --measure ms
service  count(ms)  sum(ms)  avg(ms)  min(ms)  max(ms)  p50(ms)  p95(ms)  p99(ms)
-------  ---------  -------  -------  -------  -------  -------  -------  -------
0 rows, as of commit 0
$ quipu query S --select 'first(ms),latest(ms)' --group-by status --order-by -status --limit 2 --format csv
status,first(ms),latest(ms)
