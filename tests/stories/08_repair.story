# A store that was damaged: a file is gone, another has a flipped bit. What can be trusted becomes a new store.
$ quipu init S
created S
$ cat > events.ndjson <<END
> {"id":"r1","time":"2024-01-05T10:00:00Z","customer":"acme","service":"api","cost":"0.25"}
> {"id":"r2","time":"2024-01-20T11:30:00Z","customer":"bolt","service":"api","cost":"0.5"}
> {"id":"r3","time":"2024-02-02T09:00:00Z","customer":"acme","service":"api","cost":"1"}
> {"id":"r4","time":"2024-03-02T09:00:00Z","customer":"acme","service":"api","cost":"2"}
> END
$ quipu import S events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":4,"duplicate":0,"conflict":0,"invalid":0,"too_late":0}
$ quipu compact S > compacted || cat compacted
$ rm S/segments/*2024-02.seg
$ f=$(echo S/segments/*2024-01.seg); printf 'X' | dd of=$f bs=1 seek=90 conv=notrunc 2> /dev/null
$ quipu verify S | grep -v problems
S/segments/0000000002-2024-02.seg: the file is gone
S/segments/0000000001-2024-01.seg: times page, column 0, ordinal 0, offset 64: checksum mismatch; the bytes are damaged or belong to another place
the store does not open; a new one of what can be saved: quipu repair S NEWDIR
$ quipu repair S R --format csv | cut -d, -f1-4
month,customer,events,place
2024-01,acme,1,S/segments/0000000001-2024-01.seg
2024-01,bolt,1,S/segments/0000000001-2024-01.seg
2024-02,,1,S/segments/0000000002-2024-02.seg
$ quipu usage R --format csv
service,count,sum(quantity),sum(cost)
api,1,1,2
# Everything is sent again: what was saved is known, what was lost counts.
$ quipu import R events.ndjson --json | sed 's/,"seconds":.*/}/'
{"files":1,"lines":4,"accepted":3,"duplicate":1,"conflict":0,"invalid":0,"too_late":0}
$ quipu usage R --format csv
service,count,sum(quantity),sum(cost)
api,4,4,3.75
$ quipu verify R > verified || cat verified
# A folder that is in use, or is no store, is left alone.
$ quipu repair S R
quipu: the folder R is not empty (it has LOCK); a repaired store needs a new one
[exit 1]
$ quipu repair nowhere Q
quipu: there is no store in nowhere
[exit 1]
$ test -e Q || echo nothing was made
nothing was made
