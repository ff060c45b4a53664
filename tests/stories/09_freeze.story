# March is billed in April. What comes late does not change the bill, and can be asked for.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"m1","time":"2026-03-05T10:00:00Z","customer":"acme","service":"api","cost":"0.25","dimensions":{"region":"eu"}}
> {"id":"m2","time":"2026-03-20T11:30:00Z","customer":"bolt","service":"api","cost":"0.5","dimensions":{"region":"us"}}
> {"id":"m3","time":"2026-03-31T09:00:00Z","customer":"acme","service":"llm","cost":"1","dimensions":{"region":"eu"}}
> {"id":"a1","time":"2026-04-01T09:00:00Z","customer":"acme","service":"api","cost":"2","dimensions":{"region":"eu"}}
> END
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":4,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --format json > bill.json
$ quipu freeze S --name 2026-03 | sed 's/made .*/made <time>/'
2026-03: commit 1, 4 events, made <time>
$ cat > late.ndjson <<END
> {"id":"l1","time":"2026-03-31T23:59:00Z","customer":"acme","service":"api","cost":"0.75","dimensions":{"region":"eu"}}
> {"id":"l2","time":"2026-03-30T08:00:00Z","customer":"crux","service":"api","cost":"3","dimensions":{"region":"us"}}
> {"id":"a2","time":"2026-04-02T09:00:00Z","customer":"bolt","service":"api","cost":"4","dimensions":{"region":"us"}}
> END
$ quipu import S late.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":3,"accepted":3,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01
customer  count  sum(cost)
--------  -----  ---------
acme          3          2
bolt          1        0.5
crux          1          3
3 rows, as of commit 2
# The bill, to the byte; and what came since.
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --as-of 2026-03 --format json | cmp - bill.json
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --since 2026-03
customer  count  sum(quantity)  sum(cost)
--------  -----  -------------  ---------
acme          1              1       0.75
crux          1              1          3
2 rows, as of commit 2
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --compare-as-of 2026-03
customer  before(count)  count  growth(count)  before(sum(quantity))  sum(quantity)  growth(sum(quantity))  before(sum(cost))  sum(cost)  growth(sum(cost))
--------  -------------  -----  -------------  ---------------------  -------------  ---------------------  -----------------  ---------  -----------------
acme                  2      3              1                      2              3                      1               1.25          2               0.75
bolt                  1      1              0                      1              1                      0                0.5        0.5                  0
crux                  0      1              1                      0              1                      1                  0          3                  3
3 rows, as of commit 2
$ quipu query S --select 'growth(sum(cost))' --window day --from 2026-03-30 --to 2026-04-01 --compare-as-of 2026-03
window_start  growth(sum(cost))
------------  -----------------
2026-03-30                    3
2026-03-31                 0.75
2 rows, as of commit 2
$ quipu top S --by customer --measure cost --compare-as-of 2026-03 --limit 2
customer  before(sum(cost))  sum(cost)  growth(sum(cost))  growth_percent(sum(cost))
--------  -----------------  ---------  -----------------  -------------------------
bolt                    0.5        4.5                  4                        800
crux                      0          3                  3                          -
2 rows, as of commit 2
$ quipu query S --select count --since 2026-03 --explain | sed -n 's/  since/since/p'
since freeze '2026-03' (commit 1): left out 2 segments and 0 unsealed events of other commits
# Merging keeps both sides apart; archiving and restarts change nothing.
$ quipu compact S > /dev/null
$ quipu partitions S --format csv | cut -d, -f1,3,6
month,rows,segments
2026-03,5,2
2026-04,2,2
$ quipu archive S --before 2026-04 --to cold > /dev/null
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --as-of 2026-03 --format json | cmp - bill.json
$ quipu freeze S --name 2026-03
quipu: freeze '2026-03' stands for commit 1, and events have come since; a freeze never moves: choose another name, or drop it first
[exit 1]
$ quipu freeze S --name 2026-03-final --format json | sed 's/"created":"[^"]*"/"created":"<time>"/'
[
{"name":"2026-03-final","commit":2,"created":"<time>","events":7,"events_at_freeze":7,"altered_by":""}]
$ quipu freeze S --list | sed 's/made .*/made <time>/'
2026-03: commit 1, 4 events, made <time>
2026-03-final: commit 2, 7 events, made <time>
$ quipu info S | grep freezes
freezes     2
# An erased customer is not in the past either, and the freeze says so.
$ quipu erase S --customer bolt > /dev/null
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --as-of 2026-03
customer  count  sum(quantity)  sum(cost)
--------  -----  -------------  ---------
acme          2              2       1.25
1 row, as of commit 1, altered since it was frozen
$ quipu freeze S --list | sed 's/made [^;]*/made <time>/'
2026-03: commit 1, 3 events, made <time>; it had 4, altered by erasure
2026-03-final: commit 2, 5 events, made <time>; it had 7, altered by erasure
$ quipu freeze S --drop 2026-03
dropped 2026-03
$ quipu usage S --as-of 2026-03
quipu: the store has no freeze '2026-03'; the newest is '2026-03-final' (`quipu freeze DIR --list`)
[exit 1]
$ quipu usage S --as-of 99
quipu: commit 99 has not been made yet, the last one is 2
[exit 1]
$ quipu freeze S --name 202603
quipu freeze: freeze '202603': a name of digits alone would be taken for a commit's number
See: quipu freeze --help
[exit 2]
$ quipu freeze S
quipu freeze: give one of --name NAME, --list and --drop NAME
See: quipu freeze --help
[exit 2]
$ quipu verify S > verified || cat verified
