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
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --format json > bill.json
$ quipu freeze S --name 2026-03 | sed 's/made .*/made <time>/'
$ cat > late.ndjson <<END
> {"id":"l1","time":"2026-03-31T23:59:00Z","customer":"acme","service":"api","cost":"0.75","dimensions":{"region":"eu"}}
> {"id":"l2","time":"2026-03-30T08:00:00Z","customer":"crux","service":"api","cost":"3","dimensions":{"region":"us"}}
> {"id":"a2","time":"2026-04-02T09:00:00Z","customer":"bolt","service":"api","cost":"4","dimensions":{"region":"us"}}
> END
$ quipu import S late.ndjson --json | sed 's/,"seconds":.*/}/'
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01
# The bill, to the byte; and what came since.
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --as-of 2026-03 --format json | cmp - bill.json
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --since 2026-03
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --compare-as-of 2026-03
$ quipu query S --select 'growth(sum(cost))' --window day --from 2026-03-30 --to 2026-04-01 --compare-as-of 2026-03
$ quipu top S --by customer --measure cost --compare-as-of 2026-03 --limit 2
$ quipu query S --select count --since 2026-03 --explain | sed -n 's/  since/since/p'
# Merging keeps both sides apart; archiving and restarts change nothing.
$ quipu compact S > /dev/null
$ quipu partitions S --format csv | cut -d, -f1,3
$ quipu archive S --before 2026-04 --to cold > /dev/null
$ quipu query S --select 'count,sum(cost)' --group-by customer --from 2026-03-01 --to 2026-04-01 --as-of 2026-03 --format json | cmp - bill.json
$ quipu freeze S --name 2026-03
$ quipu freeze S --name 2026-03-final --format json | sed 's/"created":"[^"]*"/"created":"<time>"/'
$ quipu freeze S --list | sed 's/made .*/made <time>/'
$ quipu info S | grep freezes
# An erased customer is not in the past either, and the freeze says so.
$ quipu erase S --customer bolt > /dev/null
$ quipu usage S --from 2026-03-01 --to 2026-04-01 --group-by customer --as-of 2026-03
$ quipu freeze S --list | sed 's/made [^;]*/made <time>/'
$ quipu freeze S --drop 2026-03
$ quipu usage S --as-of 2026-03
$ quipu usage S --as-of 99
$ quipu freeze S --name 202603
$ quipu freeze S
$ quipu verify S > verified || cat verified
