# Canaries: each known mistake (engine/base/canary.h) and the test that must notice it. A CTest entry passes when the test's output says
# what is wrong in the words below, so a test that fails for another reason does not count. `ctest -L canary` runs them; `make canaries` builds and runs.
set(canary_programs)

# quipu_canary(NAME [ALIVE canaries] [PRELOAD library] PROGRAM test [FILTER cases] CAUGHT regex [ENVIRONMENT name=value...])
# Without CAUGHT nothing is alive, and the program must pass: what is caught below is the mistake and not the build.
function(quipu_canary name)
  cmake_parse_arguments(ARG "" "ALIVE;PRELOAD;PROGRAM;FILTER;CAUGHT" "ENVIRONMENT" ${ARGN})
  set(test canary_${name})
  # To CTest a process that aborts has failed, whatever it said: the shell makes an exit status of it.
  add_test(NAME ${test} COMMAND sh -c "ulimit -c 0; \"$0\" \"$@\" || exit 1" $<TARGET_FILE:${ARG_PROGRAM}> --gtest_filter=${ARG_FILTER}*)
  string(REPLACE ";" "," alive "${ARG_ALIVE}")
  set(environment QUIPU_CANARY=${alive} ${ARG_ENVIRONMENT})
  if(ARG_PRELOAD)
    list(APPEND environment LD_PRELOAD=${ARG_PRELOAD})
  endif()
  set_tests_properties(${test} PROPERTIES LABELS canary TIMEOUT 300 ENVIRONMENT "${environment}" SKIP_REGULAR_EXPRESSION "NOT TESTED")
  if(ARG_CAUGHT)
    set_tests_properties(${test} PROPERTIES PASS_REGULAR_EXPRESSION "${ARG_CAUGHT}")
  endif()
  list(APPEND canary_programs ${ARG_PROGRAM})
  set(canary_programs ${canary_programs} PARENT_SCOPE)
endfunction()

quipu_canary(none_power PROGRAM crash_power_test ENVIRONMENT QUIPU_POWER_CUTS=15)
quipu_canary(none_model PROGRAM model_test FILTER Model.RandomOperationsInMemory ENVIRONMENT QUIPU_ROUNDS=1)
quipu_canary(none_log PROGRAM log_damage_test FILTER LogDamage.NoCutDropsRowsWithoutAWord)

# fsync does nothing (Debian's libeatmydata): what was acknowledged is gone, or a store that was opened cannot be any more.
quipu_canary(no_fsync PRELOAD libeatmydata.so PROGRAM crash_power_test CAUGHT "acknowledged event [0-9-]+ is lost|corruption: ")
quipu_canary(folder_not_synced ALIVE folder-not-synced PROGRAM model_test FILTER Model.RandomOperationsInMemory
  CAUGHT "a file is published before its folder is synced")
quipu_canary(rows_dropped ALIVE rows-dropped PROGRAM model_test FILTER Model.RandomOperationsInMemory CAUGHT "rows would be lost or counted twice")
# Which of the model's comparisons is the first to fail depends on the seed: totals, answers (with the oracle, with raw rows, of a freeze), an event that is not
# found, a repeat that is taken for a new one. Any will do: the release build's model_test has passed with the same seed.
quipu_canary(rows_dropped_uncounted ALIVE rows-dropped,totals-unchecked PROGRAM model_test FILTER Model.RandomOperationsInMemory
  CAUGHT "FAILED  . Model.RandomOperationsInMemory|CHECK failed: part->totals.Subtract")
# Here no key of an event is written before the event: ids are part of it. The nearest mistake is a producer's sequence that is durable first; after a
# crash between the two its events would be called repeats and be counted nowhere.
quipu_canary(claimed_first ALIVE claimed-first PROGRAM crash_power_test CAUGHT "was called a replay, but it is not stored")
quipu_canary(progress_apart ALIVE progress-apart PROGRAM crash_power_test CAUGHT "commits? [0-9]+ .*(is|are) missing")
# With the watermark asked, the open would still be refused: without it only the recovery mode stands between a flipped bit and fewer rows.
quipu_canary(default_wal_recovery ALIVE default-wal-recovery,watermark-unchecked PROGRAM log_damage_test FILTER LogDamage.NoFlippedBitDropsRowsWithoutAWord
  CAUGHT "found == kRefused|found\\) != \\(kFewerRows\\)")
quipu_canary(watermark_unchecked ALIVE watermark-unchecked PROGRAM log_damage_test FILTER LogDamage.NoCutDropsRowsWithoutAWord
  CAUGHT "cut to [0-9]+ bytes: [23]")

list(REMOVE_DUPLICATES canary_programs)
add_custom_target(quipu_canary_tests DEPENDS ${canary_programs})
