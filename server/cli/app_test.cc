// The program as its users call it: arguments in, exit status and standard output out.
#include "cli/app.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "quipu/database.h"

namespace quipu::cli {
namespace {

struct Answer {
  int exit = 0;
  std::string out, err;
};

Answer Call(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "quipu");
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Answer answer;
  answer.exit = Run(static_cast<int>(arguments.size()), argv.data());
  answer.out = testing::internal::GetCapturedStdout();
  answer.err = testing::internal::GetCapturedStderr();
  return answer;
}

class AppTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "quipu_app_" + std::to_string(::getpid());
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string File(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << text;
    return dir_ + "/" + name;
  }
  std::string dir_;
};

TEST_F(AppTest, WrongUsageIsTwoAndNamesTheHelp) {
  const std::string s = dir_ + "/s";
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"fly"},
      {"import", s},
      {"import", s, "-"},
      {"import", s, "a.csv", "--set", "colour=red"},
      {"import", s, "a.csv", "--batch", "0"},
      {"import", s, "a.log", "--map", "id=x"},
      {"query", s},
      {"query", s, "--select", "cuont"},
      {"query", s, "--select", "count", "--format", "xml"},
      {"query", s, "--select", "count", "--zone", "Mars/Base"},
      {"query", s, "--select", "count", "--from", "soon"},
      {"query", s, "--select", "count", "--filter", "status"},
      {"usage", s, "--window", "fortnight"},
      {"top", s},
      {"query", s, "--select", "count", "--limit", "-1"},
      {"import", s, "a.csv", "--errors-max", "-1"},
      {"generate", "--events", "-1"},
      {"generate", "--events", "5", "--seed", "-1"},
      {"generate", "--events", "0"},
      {"generate", "--events", "ten"}};
  for (const auto& arguments : wrong) {
    const Answer a = Call(arguments);
    EXPECT_EQ(a.exit, 2) << testing::PrintToString(arguments);
    EXPECT_NE(a.err.find("--help"), std::string::npos) << a.err;
    EXPECT_EQ(a.out, "");
  }
  EXPECT_EQ(Call({"--help"}).exit, 0);
  EXPECT_EQ(Call({"import", "--help"}).exit, 0);
}

TEST_F(AppTest, MissingAndExistingStores) {
  const std::string s = dir_ + "/s";
  const Answer missing = Call({"usage", s});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_NE(missing.err.find("quipu init " + s), std::string::npos) << missing.err;
  EXPECT_EQ(Call({"init", s}).exit, 0);
  EXPECT_EQ(Call({"init", s}).exit, 1);
}

TEST_F(AppTest, UnknownCommandsAreNamed) {
  EXPECT_NE(Call({"fly"}).err.find("quipu: \"fly\" is not a command; there are init, import"),
            std::string::npos);
  EXPECT_NE(Call({}).err.find("name a command: init, import"), std::string::npos);
  EXPECT_NE(Call({"--fly"}).err.find("\"--fly\" is not a flag here"), std::string::npos);
}

TEST_F(AppTest, PlacesThatAreNoStore) {
  const std::string file = File("a.log", "x\n");
  const std::string s = dir_ + "/s";
  const auto fails = [](const std::vector<std::string>& arguments, const std::string& text) {
    const Answer a = Call(arguments);
    EXPECT_EQ(a.exit, 1) << testing::PrintToString(arguments);
    EXPECT_NE(a.err.find(text), std::string::npos) << a.err;
    EXPECT_EQ(a.out, "");
  };
  fails({"init", file}, "is a file, and a store is a folder");
  fails({"init", dir_ + "/no/such"}, "mkdir -p " + dir_ + "/no");
  fails({"init", ""}, "is empty");
  fails({"import", file, file}, "quipu import STORE FILE");
  fails({"info", dir_}, "is not a store");
  const Answer taken = Call({"init", dir_});
  EXPECT_EQ(taken.exit, 1);
  EXPECT_EQ(taken.err.find("quipu import"), std::string::npos) << taken.err;
  ASSERT_EQ(Call({"init", s + "/"}).exit, 0);
  EXPECT_NE(Call({"init", s}).err.find("quipu import " + s), std::string::npos);
}

TEST_F(AppTest, AStoreInUseSaysWhatToDo) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  auto db = Database::Open(s, {});
  ASSERT_TRUE(db.has_value());
  const Answer a = Call({"compact", s});
  EXPECT_EQ(a.exit, 1);
  EXPECT_NE(a.err.find("locked by"), std::string::npos) << a.err;
  EXPECT_NE(a.err.find("try again when it has ended"), std::string::npos) << a.err;
}

TEST_F(AppTest, AStoreInUseIsAskedAsItsFollower) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  {
    auto db = Database::Open(s, {});
    ASSERT_TRUE(db.has_value());
    EventBatch batch;
    batch.Add({.id = "1", .customer = "acme", .service = "api"});
    ASSERT_TRUE(db->Ingest(batch).has_value());
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"query", s, "--select", "count", "--format", "json"},
             {"query", s, "--select", "count", "--format", "json", "--follow"}}) {
      const Answer a = Call(command);
      EXPECT_EQ(a.exit, 0) << a.err;
      EXPECT_NE(a.out.find("[1]],\"as_of\":1,\"staleness_us\":"), std::string::npos) << a.out;
    }
    EXPECT_NE(Call({"info", s}).out.find("followed"), std::string::npos);
    EXPECT_NE(Call({"info", s, "--format", "json"}).out.find("staleness_us"), std::string::npos);
    EXPECT_NE(Call({"usage", s}).out.find("behind at most)"), std::string::npos);
    EXPECT_EQ(Call({"partitions", s}).exit, 0);
    EXPECT_EQ(Call({"event", s, "--customer", "acme", "--id", "1"}).exit, 0);
  }
  // Nobody has it open: with the lock, unless asked not to.
  EXPECT_EQ(Call({"info", s}).out.find("followed"), std::string::npos);
  EXPECT_NE(Call({"info", s, "--follow"}).out.find("followed"), std::string::npos);
  EXPECT_NE(Call({"info", dir_ + "/none", "--follow"}).err.find("quipu init"), std::string::npos);
}

TEST_F(AppTest, QuestionsThatDoNotFitTheStoreAreWrongUsage) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string file = File(
      "a.ndjson", "{\"id\":\"1\",\"time\":\"2026-01-01\",\"customer\":\"c\",\"service\":\"s\"}\n");
  ASSERT_EQ(Call({"import", s, file}).exit, 0);
  const std::vector<std::vector<std::string>> wrong = {
      {"query", s, "--select", "count", "--order-by", "colour"},
      {"query", s, "--select", "sum(colour)"},
      {"query", s, "--select", "count", "--from", "2026-02-01", "--to", "2026-01-01"},
      {"top", s, "--by", "colour"}};
  for (const auto& arguments : wrong) {
    const Answer a = Call(arguments);
    EXPECT_EQ(a.exit, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(a.out, "");
  }
}

// A producer's second run is a new epoch unless it is told otherwise: its lines are looked at.
TEST_F(AppTest, AProducersRunsDoNotAnswerForEachOther) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string head = "time,customer,service\n";
  const std::string one = "2026-03-01,acme,api\n", two = "2026-03-02,acme,api\n";
  const std::string file = File("a.csv", head + one);
  ASSERT_EQ(Call({"import", s, file, "--producer", "p"}).exit, 0);
  File("a.csv", head + one + two);
  const Answer grown = Call({"import", s, file, "--producer", "p"});
  EXPECT_EQ(grown.exit, 0) << grown.err;
  EXPECT_EQ(grown.out.find("accepted 1, duplicate 1, conflict 0, invalid 0 in "), 0u) << grown.out;

  File("a.csv", head + one + two + "2026-03-03,acme,api\n");
  const std::vector<std::string> told = {"import",           s,  file, "--producer", "q",
                                         "--producer-epoch", "7"};
  EXPECT_EQ(Call(told).exit, 0);
  const Answer repeated = Call(told);
  EXPECT_EQ(repeated.exit, 0);
  EXPECT_NE(repeated.err.find("3 lines were answered as in an earlier run"), std::string::npos);
  File("a.csv", head + one + two + "2026-03-03,acme,api\n2026-03-04,acme,api\n");
  const Answer refused = Call(told);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("higher epoch"), std::string::npos) << refused.err;
}

TEST_F(AppTest, ALineWithoutAnIdAndOtherFlagsIsExplained) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string file = File("a.csv", "time,customer,service\n2026-03-01,acme,api\n");
  ASSERT_EQ(Call({"import", s, file}).exit, 0);
  const Answer a = Call({"import", s, file, "--set", "dimension:site=www"});
  EXPECT_EQ(a.exit, 1);
  EXPECT_NE(a.err.find("with another --format, --map or --set"), std::string::npos) << a.err;
}

TEST_F(AppTest, ABadHeaderIsAtLineOne) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string file = File("a.csv", "a,b\n1,2\n");
  const Answer a = Call({"import", s, file, "--map", "time=c"});
  EXPECT_EQ(a.exit, 1);
  EXPECT_EQ(a.err.find("quipu: " + file + ":1: --map time=c: "), 0u) << a.err;
}

TEST_F(AppTest, ImportThenAsk) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string file =
      File("a.csv",
           "time,customer,service,cost,dimension:status\n2026-03-01T10:00:00Z,acme,api,0.25,200\n"
           "2026-03-01T23:30:00Z,acme,api,0.5,500\n2026-03-02T10:00:00Z,globex,llm,,\n");
  const Answer first = Call({"import", s, file});
  EXPECT_EQ(first.exit, 0) << first.err;
  EXPECT_EQ(first.out.find("accepted 3, duplicate 0, conflict 0, invalid 0 in "), 0u) << first.out;
  const Answer again = Call({"import", s, file, "--json"});
  EXPECT_NE(again.out.find("\"accepted\":0,\"duplicate\":3,"), std::string::npos) << again.out;

  const Answer json = Call({"query", s, "--select", "count,sum(cost)", "--window", "day", "--zone",
                            "Europe/Berlin", "--group-by", "customer", "--format", "json"});
  EXPECT_EQ(json.exit, 0) << json.err;
  const std::string columns =
      R"x({"columns":[{"name":"window_start","type":"time"},{"name":"customer","type":"string"},)x"
      R"x({"name":"count","type":"integer"},{"name":"sum(cost)","type":"decimal"}],"rows":[)x";
  const std::string rows =
      "\n[\"2026-03-01T00:00:00+01:00\",\"acme\",1,0.25],"
      "\n[\"2026-03-02T00:00:00+01:00\",\"acme\",1,0.5],"
      "\n[\"2026-03-02T00:00:00+01:00\",\"globex\",1,null]";
  EXPECT_EQ(json.out.substr(0, json.out.find("],\"as_of\"")), columns + rows);
  const Answer csv = Call({"top", s, "--by", "customer", "--measure", "count", "--format", "csv"});
  EXPECT_EQ(csv.out, "customer,count\nacme,2\nglobex,1\n") << csv.err;
  for (const char* verb : {"usage", "stats", "trends", "peaks", "partitions", "info", "verify"}) {
    const Answer a = Call({verb, s});
    EXPECT_EQ(a.exit, 0) << verb << ": " << a.err;
    EXPECT_FALSE(a.out.empty()) << verb;
  }
  EXPECT_EQ(Call({"compact", s}).exit, 0);
  EXPECT_EQ(Call({"top", s, "--by", "customer", "--measure", "count", "--format", "csv"}).out,
            csv.out);
}

TEST_F(AppTest, BadLineIsOneAndTheGoodOnesBeforeItAreStored) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const std::string good = R"({"id":"1","time":"2026-01-01","customer":"c","service":"s"})";
  const std::string later = R"({"id":"2","time":"2026-01-01","customer":"c","service":"s"})";
  const std::string file = File("a.ndjson", good + "\n{\"id\":3}\n" + later + "\n");
  const Answer stopped = Call({"import", s, file});
  EXPECT_EQ(stopped.exit, 1);
  EXPECT_NE(stopped.err.find(file + ":2: id is 3, which is not a string"), std::string::npos)
      << stopped.err;
  EXPECT_EQ(stopped.out.find("accepted 1, duplicate 0, conflict 0, invalid 1 in "), 0u);
  const Answer all = Call({"import", s, file, "--keep-going"});
  EXPECT_EQ(all.exit, 1);
  EXPECT_EQ(all.out.find("accepted 1, duplicate 1, conflict 0, invalid 1 in "), 0u) << all.out;
}

TEST_F(AppTest, GenerateWritesWhatImportReads) {
  const std::string s = dir_ + "/s";
  ASSERT_EQ(Call({"init", s}).exit, 0);
  const Answer generated =
      Call({"generate", "--events", "2000", "--customers", "50", "--seed", "9"});
  const std::string file = File("g.jsonl", generated.out);
  const Answer a = Call({"import", s, file});
  EXPECT_EQ(a.exit, 0) << a.err;
  EXPECT_EQ(a.out.find("accepted 2000, duplicate "), 0u) << a.out;
}

}  // namespace
}  // namespace quipu::cli
