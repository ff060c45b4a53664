#!/usr/bin/env bash
# tests/coverage/run.sh: which branches of the code that decides about durability and counting does no test reach? Expects the preset `coverage` configured;
# builds the test programs that have to do with that code, runs them and writes build/coverage/REPORT.md: covered lines and branches by file, then each
# branch that was never taken, with its line; of QUIPU_CHECK (never false, unless the program is wrong) and of QUIPU_TRY (an error passed on) only how many.
# Children that are killed or abort do not count: they go before they could write down what they covered.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build/coverage
profiles=$build/profiles
# Manifest, commit, recovery, deduplication, and everything that decodes stored bytes.
sources=(engine/store/{manifest,catalogue,commit_blob,watermark,store,store_recovery,store_erasure,store_archive,store_follow,lifecycle_records,remains}.cc
  engine/store/{kv_log,kv_torn_log,kv_rocks,kv_rocks_settings,kv_rocks_follower,disk_space,forgotten_ids,hot_tier,erasure}.cc
  engine/ingest/{committer,group_preparer,dedupe,identity_set,lateness,sealer,small_segments,validate}.cc
  engine/segment/{footer_codec,segment_frame,page,directory,identity_index,identity_prefix,id_page,segment_reader,segment_rows,segment_identities}.cc
  engine/segment/{summary,summary_columns,summary_cells,dimension_page,measure_page,time_page,string_page,vector_table,totals,wide_words}.cc
  engine/codec/{int_codec,text_codec,id_codec,bitpack,constant,constant_delta,delta,derived,dictionary,frame_of_reference,patched,run_length}.cc
  engine/sketch/{distinct_sketch,quantile_sketch_format,exact_sum}.cc)
programs=({base,codec,sketch,segment,store,ingest,upkeep,db,model,sim,sim_regressions,fault_loop,erase,disk_full,repair,log_damage,list_damage,corruption,follower}_test)
for target in fuzz/*_fuzz.cc; do programs+=("$(basename "$target" .cc)_replay"); done
ninja -C "$build" "${programs[@]}"
programs=("${programs[@]/#/$build/tests/}")
rm -rf "$profiles"
mkdir -p "$profiles"
for program in "${programs[@]}"; do
  echo "== $(basename "$program")"
  # What fuzzers have found since is not checked in, and counts.
  grown=build/fuzz/corpus/$(basename "$program" _replay)
  arguments=()
  if [ -d "$grown" ]; then arguments=("$grown"); fi
  LLVM_PROFILE_FILE="$PWD/$profiles/$(basename "$program")-%m.profraw" "$program" "${arguments[@]}" >"$build/$(basename "$program").log" 2>&1 || echo "$program failed: $build/$(basename "$program").log"
done
merged=$build/merged.profdata
llvm-profdata-14 merge -sparse "$profiles"/*.profraw -o "$merged"
objects=("${programs[0]}")
for program in "${programs[@]:1}"; do objects+=(-object "$program"); done
for source in "${sources[@]}"; do [ -e "$source" ] || { echo "$0: no $source; mend the list" >&2; exit 1; }; done
llvm-cov-14 export -format=lcov -instr-profile="$merged" "${objects[@]}" >"$build/coverage.lcov"

# Branches of a template are in the trace once per copy, and are counted so; a line is listed once. TRY macros are branches too: their failing side.
# The compiler was called with paths like build/coverage/../../engine/store/store.cc.
awk -v root="$PWD/" -v build="$build/" -v wanted="${sources[*]}" '
  BEGIN { n = split(wanted, list, " "); for (i = 1; i <= n; i++) is_wanted[list[i]] = 1 }
  function flush(   key, parts) {
    if (!(file in is_wanted)) return
    for (key in line_hits) { lines++; line_covered += line_hits[key] > 0 }
    for (key in taken) {
      branches++
      if (taken[key] > 0) { covered++; continue }
      split(key, parts, ",")
      missed[file, ++missed_count[file]] = parts[1]
    }
    table[++files] = sprintf("| %s | %d | %.1f %% | %d | %.1f %% |", file, lines, lines ? 100 * line_covered / lines : 100, branches, branches ? 100 * covered / branches : 100)
    name[files] = file
    all_lines += lines; all_line_covered += line_covered; all_branches += branches; all_covered += covered
    lines = line_covered = branches = covered = 0
    delete line_hits; delete taken
  }
  /^SF:/ { flush(); file = substr($0, 4); sub("^" root, "", file); sub("^" build "(\\.\\./)*", "", file) }
  file in is_wanted && /^DA:/ { split(substr($0, 4), part, ","); line_hits[part[1]] += part[2] }
  file in is_wanted && /^BRDA:/ { split(substr($0, 6), part, ","); taken[part[1] "," part[3]] += part[4] == "-" ? 0 : part[4] }
  END {
    flush()
    checks = tries = others = 0
    for (i = 1; i <= files; i++) {
      delete count
      for (m = 1; m <= missed_count[name[i]]; m++) count[missed[name[i], m]]++
      number = 0
      listed = ""
      while ((getline text < (root name[i])) > 0) {
        if (!(++number in count)) continue
        sub(/^ +/, "", text)
        if (text ~ /QUIPU_D?CHECK/) { checks++; continue }
        if (text ~ /QUIPU_TRY/) { tries++; continue }
        others++
        listed = listed sprintf("- %d: `%s`\n", number, text)
      }
      close(root name[i])
      if (listed != "") lists = lists "### " name[i] "\n\n" listed "\n"
    }
    print "# Coverage\n\n| file | lines | covered | branches | covered |\n|---|---|---|---|---|"
    for (i = 1; i <= files; i++) print table[i]
    printf "| all | %d | %.1f %% | %d | %.1f %% |\n\n## Branches that no test takes\n\n", all_lines, 100 * all_line_covered / all_lines, all_branches, all_branches ? 100 * all_covered / all_branches : 100
    printf "On %d lines with QUIPU_CHECK, on %d with QUIPU_TRY, and on these %d:\n\n%s", checks, tries, others, lists
  }' "$build/coverage.lcov" >"$build/REPORT.md"
sed -n '/^| all/p' "$build/REPORT.md"
echo "$build/REPORT.md"
