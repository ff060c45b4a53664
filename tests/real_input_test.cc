// The program on real input: the recordings of ../shared/data (environment variable QUIPU_SHARED
// says where else), imported and asked by command line as a user would. The figures were counted
// with other tools from the same files. Each is asked before sealing, after `compact`, and in
// between through a restart (every command is one), from summaries and with `--raw`.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "tests/shell.h"

namespace quipu {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string DataFolder() {
  const char* given = std::getenv("QUIPU_SHARED");
  return (given != nullptr ? std::string(given) : std::string(QUIPU_SOURCE_DIR) + "/../shared") +
         "/data";
}

class RealInput : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(DataFolder() + "/access.log")) {
      GTEST_SKIP() << "no recordings in " << DataFolder()
                   << "; set QUIPU_SHARED to the folder that holds data/access.log";
    }
  }

  std::string Run(const std::string& command, int exit_status = 0) {
    const ShellOutput output = RunShell(command, folder_.path(), QUIPU_BIN_DIR);
    EXPECT_EQ(output.exit_status, exit_status) << command << "\n" << output.text;
    return output.text;
  }

  /// The lines of a CSV answer without its heading.
  Rows Ask(const std::string& arguments) {
    std::istringstream lines(Run("quipu query S --format csv " + arguments + raw_));
    Rows rows;
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      std::vector<std::string> row;
      std::istringstream cells(line);
      for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
      rows.push_back(std::move(row));
    }
    return rows;
  }

  /// Runs the checks as imported, after compact, and both again from raw rows.
  template <class Checks>
  void InEveryState(const Checks& checks) {
    for (const bool compacted : {false, true}) {
      if (compacted) Run("quipu compact S");
      for (const char* raw : {"", " --raw"}) {
        SCOPED_TRACE(std::string(compacted ? "compacted" : "as imported") + raw);
        raw_ = raw;
        checks();
      }
    }
    EXPECT_NE(Run("quipu verify S"), "");
  }

  ScratchFolder folder_;
  std::string raw_;
};

TEST_F(RealInput, AccessLog) {
  const std::string import =
      "quipu import S " + DataFolder() + "/access.log --format combined --json";
  Run("quipu init S");
  EXPECT_NE(Run(import).find("\"accepted\":10000"), std::string::npos);
  const std::string again = Run(import);
  EXPECT_NE(again.find("\"duplicate\":10000"), std::string::npos) << again;
  EXPECT_NE(again.find("\"accepted\":0"), std::string::npos) << again;

  InEveryState([&] {
    EXPECT_EQ(Ask("--select 'count,count(bytes)'"), (Rows{{"10000", "9331"}}));
    EXPECT_EQ(Ask("--select 'distinct(customer)' --exact"), (Rows{{"1753"}}));
    const std::string distinct =
        Ask("--select 'distinct(customer)'").at(0).at(0);  // beyond 512: an approximation
    EXPECT_NEAR(std::stod(distinct), 1753, 1753 * 0.08);
    EXPECT_EQ(Ask("--select count --group-by customer").size(), 1753u);
    EXPECT_EQ(Ask("--select 'count,sum(bytes)' --window day"),
              (Rows{{"2015-05-17T00:00:00Z", "1632", "414259902"},
                    {"2015-05-18T00:00:00Z", "2893", "788636158"},
                    {"2015-05-19T00:00:00Z", "2896", "665827339"},
                    {"2015-05-20T00:00:00Z", "2579", "878559341"}}));
    EXPECT_EQ(Ask("--select count --window hour --order-by -count --limit 1"),
              (Rows{{"2015-05-19T19:00:00Z", "136"}}));
    EXPECT_EQ(Ask("--select count --filter status=404"), (Rows{{"213"}}));
    EXPECT_EQ(Ask("--select count --service web"), (Rows{{"10000"}}));
    // The days of Berlin (+02:00 in May) and of Kathmandu (+05:45), counted from the log with a
    // Python script.
    EXPECT_EQ(Ask("--select 'count,sum(bytes)' --window day --zone Europe/Berlin"),
              (Rows{{"2015-05-17T00:00:00+02:00", "1403", "287528410"},
                    {"2015-05-18T00:00:00+02:00", "2891", "853359103"},
                    {"2015-05-19T00:00:00+02:00", "2885", "673820600"},
                    {"2015-05-20T00:00:00+02:00", "2821", "932574627"}}));
    EXPECT_EQ(Ask("--select 'count,sum(bytes)' --window day --zone Asia/Kathmandu"),
              (Rows{{"2015-05-17T00:00:00+05:45", "1030", "160849945"},
                    {"2015-05-18T00:00:00+05:45", "2908", "676660396"},
                    {"2015-05-19T00:00:00+05:45", "2867", "955675537"},
                    {"2015-05-20T00:00:00+05:45", "2866", "941048205"},
                    {"2015-05-21T00:00:00+05:45", "329", "13048657"}}));
  });
}

TEST_F(RealInput, LlmTrace) {
  const std::string import =
      "quipu import S " + DataFolder() +
      "/llm_code_trace.csv --format csv --map "
      "time=TIMESTAMP,measure:context_tokens=ContextTokens,measure:generated_tokens=GeneratedTokens"
      " --set customer=azure,service=llm --json";
  Run("quipu init S");
  EXPECT_NE(Run(import).find("\"accepted\":8819"), std::string::npos);
  EXPECT_NE(Run(import).find("\"duplicate\":8819"), std::string::npos);

  const auto near = [](const Rows& rows, const std::vector<double>& expected) {
    ASSERT_EQ(rows.size(), 1u);
    ASSERT_EQ(rows[0].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(std::stod(rows[0][i]), expected[i], expected[i] * 0.004);
  };
  InEveryState([&] {
    EXPECT_EQ(Ask("--select 'count,sum(context_tokens),sum(generated_tokens)'"),
              (Rows{{"8819", "18059974", "245896"}}));
    const std::string generated =
        "--select 'p50(generated_tokens),p95(generated_tokens),p99(generated_tokens)'";
    const std::string context =
        "--select 'p50(context_tokens),p95(context_tokens),p99(context_tokens)'";
    near(Ask(generated), {13, 90, 252});
    near(Ask(context), {1469, 7315, 7436});
    EXPECT_EQ(Ask(generated + " --exact"), (Rows{{"13", "90", "252"}}));
    EXPECT_EQ(Ask(context + " --exact"), (Rows{{"1469", "7315", "7436"}}));
    EXPECT_NE(Run("quipu query S --format json " + context + raw_).find("\"exact\":false"),
              std::string::npos);
    // 1,024 values at most are exact, and say so.
    const std::string early = " --to 2023-11-16T18:26:00";
    EXPECT_EQ(Ask("--select count" + early), (Rows{{"1006"}}));
    EXPECT_EQ(Ask(context + early), (Rows{{"1469", "6819", "7436"}}));
    EXPECT_NE(Run("quipu query S --format json " + context + early + raw_).find("\"exact\":true"),
              std::string::npos);
  });
}

}  // namespace
}  // namespace quipu
