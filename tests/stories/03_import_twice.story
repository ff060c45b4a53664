# Importing a file again adds nothing; importing it after it has grown adds what is new.
$ quipu init S
created S
$ printf 'when,who,tokens\n2026-03-01 10:00:00,acme,5\n2026-03-01 10:00:00,acme,5\n2026-03-01 10:00:01,bolt,7\n' > usage.csv
$ quipu import S usage.csv --map time=when,customer=who,measure:tokens=tokens --set service=llm --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":3,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu import S usage.csv --map time=when,customer=who,measure:tokens=tokens --set service=llm --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":0,"duplicate":3,"conflict":0,"invalid":0,"too_late":0}
$ echo '2026-03-01 10:00:02,acme,11' >> usage.csv
$ quipu import S usage.csv --map time=when,customer=who,measure:tokens=tokens --set service=llm --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":5,"accepted":1,"duplicate":3,"conflict":0,"invalid":0,"too_late":0}
# The first two lines are equal and count twice.
$ quipu query S --select 'count,sum(tokens)' --group-by customer --format csv
customer,count,sum(tokens)
acme,3,21
bolt,1,7
$ gzip usage.csv && quipu import S usage.csv.gz --map time=when,customer=who,measure:tokens=tokens --set service=llm --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":5,"accepted":0,"duplicate":4,"conflict":0,"invalid":0,"too_late":0}
# Fields that no column and no --set gives.
$ gunzip usage.csv.gz; quipu import S usage.csv --map time=when,customer=who
usage.csv: columns left out: tokens
usage.csv:2: service is missing or empty; every event names one (--set service=NAME gives a constant)
stopped at usage.csv:2: the lines before it are stored, none after it; correct the line and import again (nothing is counted twice), or skip bad lines with --keep-going
accepted 0, duplicate 0, conflict 0, invalid 1 in <seconds> (<rate>)
[exit 1]
$ quipu import S usage.csv --map time=nowhere,customer=who --set service=llm
quipu: usage.csv:1: --map time=nowhere: the header has no such column; it has when, who, tokens
accepted 0, duplicate 0, conflict 0, invalid 0 in <seconds> (<rate>)
[exit 1]
