# Flags and the few functions that every folder uses.
add_library(quipu_flags INTERFACE)
target_compile_options(quipu_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-omit-frame-pointer
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # GCC 12 sees overlapping copies in "text" + std::string where there are none (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  -ffp-contract=off)
target_compile_definitions(quipu_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(QUIPU_SANITIZE)
  target_compile_options(quipu_flags INTERFACE -fsanitize=${QUIPU_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(quipu_flags INTERFACE -fsanitize=${QUIPU_SANITIZE})
endif()
# What fuzzers run through counts its branches for them. Only there: test programs would gain nothing and compile longer.
add_library(quipu_fuzzed INTERFACE)
if(QUIPU_FUZZ)
  target_compile_options(quipu_fuzzed INTERFACE -fsanitize=fuzzer-no-link)
endif()
# Every test program but the RELEASE_ONLY ones: what the sanitizer builds build and run.
add_custom_target(quipu_sanitized_tests)

# quipu_precompile(TARGET headers...): see QUIPU_PCH. A target of few sources would not earn it.
function(quipu_precompile target)
  get_target_property(sources ${target} SOURCES)
  list(LENGTH sources count)
  if(QUIPU_PCH AND count GREATER 3)
    target_precompile_headers(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/standard_library.h ${ARGN})
  endif()
endfunction()

# quipu_compile_fast(TARGET target | SOURCE files...)
# For what is compiled more often than it runs: tests, and the many templates behind a command line. Nearly half of -O3's compile time is saved,
# and of a command line's under sanitizers again half. (Tests at -O0 lose more than they save there: with them comes the engine's inline code.)
function(quipu_compile_fast kind)
  set_property(${kind} ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O1> $<$<AND:$<CONFIG:Debug>,$<STREQUAL:${kind},SOURCE>>:-O0>)
endfunction()

# quipu_folder(NAME [DEPENDS folders...] [LIBRARIES targets...])
# A library quipu_NAME of the folder's *.cc, and a test program NAME_test of its *_test.cc.
function(quipu_folder name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(QUIPU_SANITIZE STREQUAL thread)
    # It sees what threads do to each other; a test without a second one would only take time.
    foreach(test IN LISTS tests)
      file(STRINGS ${test} threads REGEX "thread|\"quipu/database\\.h\"|db/database_impl\\.h")
      if(NOT threads)
        list(REMOVE_ITEM tests ${test})
      endif()
    endforeach()
  endif()
  add_library(quipu_${name} STATIC ${sources})
  if(QUIPU_CANARIES)
    # Only where they live: all other objects are those of the release build (ccache).
    foreach(source IN LISTS sources)
      file(STRINGS ${source} canary REGEX "base/canary\\.h")
      if(canary)
        set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS QUIPU_CANARIES)
      endif()
    endforeach()
  endif()
  target_include_directories(quipu_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/engine)
  list(TRANSFORM ARG_DEPENDS PREPEND quipu_)
  target_link_libraries(quipu_${name} PUBLIC ${ARG_DEPENDS} PRIVATE quipu_flags quipu_fuzzed ${ARG_LIBRARIES})
  quipu_precompile(quipu_${name})
  if(QUIPU_TESTS AND tests)
    quipu_test(${name}_test SOURCES ${tests} LIBRARIES quipu_${name} ${ARG_LIBRARIES} ${ARG_TEST_LIBRARIES})
  endif()
endfunction()

# quipu_test(NAME [RELEASE_ONLY] SOURCES ... LIBRARIES ... [TIMEOUT seconds])
# Registered as one CTest entry per program: starting a process per case costs more than the cases.
# RELEASE_ONLY: sanitizers add nothing to it, or it takes too long under them.
function(quipu_test name)
  cmake_parse_arguments(ARG "RELEASE_ONLY" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  if(QUIPU_COVERAGE)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/coverage/exit.cc)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} quipu_flags GTest::gtest GTest::gtest_main Threads::Threads)
  quipu_compile_fast(TARGET ${name})
  quipu_precompile(${name} <gtest/gtest.h>)
  # Only where they are used: what does not know its folder is compiled once for all checkouts (ccache).
  foreach(source IN LISTS ARG_SOURCES)
    file(STRINGS ${source} folders REGEX "QUIPU_(SOURCE|BINARY)_DIR")
    if(folders)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS
        QUIPU_SOURCE_DIR="${PROJECT_SOURCE_DIR}" QUIPU_BINARY_DIR="${CMAKE_BINARY_DIR}")
    endif()
  endforeach()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  if(NOT ARG_RELEASE_ONLY)
    set_tests_properties(${name} PROPERTIES LABELS sanitized)
    add_dependencies(quipu_sanitized_tests ${name})
  endif()
endfunction()
