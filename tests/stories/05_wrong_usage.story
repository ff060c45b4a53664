# Wrong usage is exit status 2 and says what to do; what fails is exit status 1.
$ quipu
quipu: name a command: init, import, query, usage, stats, trends, peaks, top, sessions, event, partitions, info, verify, compact, repair, erase, freeze, policy, retain, archive, summaries, advise, generate
See: quipu --help
[exit 2]
$ quipu frobnicate
quipu: "frobnicate" is not a command; there are init, import, query, usage, stats, trends, peaks, top, sessions, event, partitions, info, verify, compact, repair, erase, freeze, policy, retain, archive, summaries, advise, generate
See: quipu --help
[exit 2]
$ quipu query
quipu query: DIR is required
See: quipu query --help
[exit 2]
$ quipu query S --select count
quipu: there is no store in S; create one with: quipu init S
[exit 1]
$ quipu init S
created S
$ quipu init S
quipu: there is a store in S already (import into it with: quipu import S FILE)
[exit 1]
$ echo '{"id":"r1","time":"2026-03-01T10:00:00Z","customer":"acme","service":"api","measures":{"tokens":5}}' | quipu import S - --format ndjson >/dev/null
$ quipu query S --select 'median'
quipu query: aggregate 'median': the name to aggregate is missing; allowed are count, count(m), sum(m), avg(m), min(m), max(m), first(m), latest(m), distinct(d), median(m), p50(m), p99.9(m), quantile(m,0.999), time_weighted_sum(m), time_weighted_avg(m), max_concurrency(m), avg_concurrency(m), and any of them, f, in change(f), change(f,day|week|month), change_percent(...) alike, rate(f), cumulative(f), share(f), moving_avg(f,7), peak(f,hour), peak_time(f,hour), before(f), growth(f) or growth_percent(f)
See: quipu query --help
[exit 2]
$ quipu query S --select 'sum(tokns)'
quipu query: no event has a measure 'tokns'; known: quantity, cost, tokens
See: quipu query --help
[exit 2]
$ quipu query S --select count --window fortnight
quipu query: window 'fortnight': allowed are minute, hour, day, week and month
See: quipu query --help
[exit 2]
$ quipu query S --select count --window day --zone Europe/Atlantis
quipu query: --zone: unknown time zone, expected an IANA name such as UTC or Europe/Berlin: 'Europe/Atlantis'
See: quipu query --help
[exit 2]
$ quipu query S --select count --filter 'tokens>many'
quipu query: filter 'tokens>many': a comparison needs a decimal number; allowed are name=value, name!=value, name^=prefix, name in a,b,c and, on measures, name<number, name<=number, name>number, name>=number
See: quipu query --help
[exit 2]
$ quipu query S --select count --from 2026-02-30
quipu query: --from: not a time, expected like 2026-03-01 or 2026-03-01T10:20:30.5Z or with an offset +05:45: '2026-02-30'
See: quipu query --help
[exit 2]
$ quipu query S --select count --from 2026-03-02 --to 2026-03-01
quipu query: from (2026-03-02T00:00:00Z) is after to (2026-03-01T00:00:00Z)
See: quipu query --help
[exit 2]
$ quipu query S --select count --order-by cost
quipu query: cannot order by 'cost': it is not a column of the answer
See: quipu query --help
[exit 2]
$ quipu query S --select count --format xml
quipu query: "xml" is not an output format; use table, json or csv
See: quipu query --help
[exit 2]
$ quipu import S x.ndjson --map id=id
quipu import: --map is for csv, but x.ndjson is read as another format
See: quipu import --help
[exit 2]
$ quipu import S - --format csv --set nonsense=1
quipu import: --set: "nonsense" is not a target; use id, source, time, customer, service, quantity, cost, dimension:NAME or measure:NAME
See: quipu import --help
[exit 2]
$ quipu import S - --format yaml
quipu import: --format: "yaml" is not a format; use ndjson, csv or combined
See: quipu import --help
[exit 2]
