# Windows in zones, filters, trends. 29 March 2026 has 23 hours in Berlin: at 02:00 the clocks go to 03:00.
$ quipu init S
created S
$ cat > events.csv <<END
> id,time,customer,dimension:status,measure:ms
> a,2026-03-28T22:30:00Z,acme,200,10
> b,2026-03-28T23:30:00Z,acme,200,20.5
> c,2026-03-29T00:30:00Z,bolt,500,40
> d,2026-03-29T01:30:00Z,acme,404,80
> e,2026-03-29T21:59:59.999999Z,bolt,,100
> f,2026-03-29T22:00:00Z,acme,500,-3
> g,2026-03-31T12:00:00Z,crux,200,7.25
> END
$ quipu import S events.csv --set service=api --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":8,"accepted":7,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
# Local days: a | b c d e | f | g.
$ quipu query S --select 'count,sum(ms),max(ms)' --window day --zone Europe/Berlin
window_start  count  sum(ms)  max(ms)
------------  -----  -------  -------
2026-03-28        1       10       10
2026-03-29        4    240.5      100
2026-03-30        1       -3       -3
2026-03-31        1     7.25     7.25
4 rows, as of commit 1
# UTC days: a b | c d e f | g.
$ quipu query S --select count --window day --format csv
window_start,count
2026-03-28T00:00:00Z,2
2026-03-29T00:00:00Z,4
2026-03-31T00:00:00Z,1
# There is no hour of 02:00, neither in the windows nor in the answer.
$ quipu query S --select count --window hour --zone Europe/Berlin --from 2026-03-29 --to 2026-03-29T06:00 --fill --format csv
window_start,count
2026-03-29T00:00:00+01:00,1
2026-03-29T01:00:00+01:00,1
2026-03-29T03:00:00+02:00,1
2026-03-29T04:00:00+02:00,0
2026-03-29T05:00:00+02:00,0
$ quipu query S --select 'sum(ms),change(sum(ms)),change_percent(sum(ms))' --window day --zone Europe/Berlin --format csv
window_start,sum(ms),change(sum(ms)),change_percent(sum(ms))
2026-03-28T00:00:00+01:00,10,,
2026-03-29T00:00:00+01:00,240.5,230.5,2305
2026-03-30T00:00:00+02:00,-3,-243.5,-101.25
2026-03-31T00:00:00+02:00,7.25,10.25,341.67
$ quipu trends S --measure ms --fill --from 2026-03-29 --to 2026-04-01
window_start  sum(ms)  change(sum(ms))  change_percent(sum(ms))
------------  -------  ---------------  -----------------------
2026-03-29        217                -                        -
2026-03-30          -             -217                     -100
2026-03-31       7.25             7.25                        -
3 rows, as of commit 1
# An absent status matches != and nothing else; the empty field of a CSV file is absent.
$ quipu query S --select 'count,avg(ms)' --filter 'status!=200' --group-by status --format csv
status,count,avg(ms)
,1,100
404,1,80
500,2,18.5
$ quipu query S --select 'count,p50(ms),distinct(customer)' --filter 'status in 200,500' --filter 'ms>=10' --format json
{"columns":[{"name":"count","type":"integer"},{"name":"p50(ms)","type":"decimal"},{"name":"distinct(customer)","type":"integer"}],"rows":[
[3,20.5,2]],"as_of":1,"exact":true}
$ quipu query S --select 'first(ms),latest(ms)' --group-by customer --order-by '-first(ms)' --limit 2 --format csv
customer,first(ms),latest(ms)
bolt,40,100
acme,10,-3
$ quipu peaks S --window day --limit 2
window_start  count  sum(quantity)
------------  -----  -------------
2026-03-29        4              4
2026-03-28        2              2
2 rows, as of commit 1
$ quipu stats S --measure ms
service  count(ms)  sum(ms)    avg(ms)  min(ms)  max(ms)  p50(ms)  p95(ms)  p99(ms)
-------  ---------  -------  ---------  -------  -------  -------  -------  -------
api              7   254.75  36.392857       -3      100     20.5      100      100
1 row, as of commit 1
