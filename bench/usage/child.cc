#include "usage/child.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "usage/report_json.h"

namespace quipu::usage {

namespace json = boost::json;

namespace {

[[noreturn]] void BeChild(int out, const RunEngine& engine, const EngineTask& task) {
  Result<EngineReport> report = engine(task);
  json::object object;
  if (report) {
    object["report"] = ToJson(*report);
  } else {
    object["code"] = static_cast<int>(report.error().code());
    object["message"] = std::string(report.error().message());
  }
  const std::string text = json::serialize(object);
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = ::write(out, text.data() + sent, text.size() - sent);
    if (n <= 0) break;
    sent += static_cast<std::size_t>(n);
  }
  std::fflush(nullptr);
  // Without destructors: a library loaded at run time may have threads that outlive its handle.
  ::_exit(0);
}

std::string ReadToEnd(int in) {
  std::string text;
  std::array<char, 65'536> block{};
  for (;;) {
    const ssize_t n = ::read(in, block.data(), block.size());
    if (n <= 0) return text;
    text.append(block.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

Result<EngineReport> RunInChild(const std::string& name, const RunEngine& engine,
                                const EngineTask& task) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return Status::IoError("no pipe for the child process");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return Status::IoError("no child process");
  if (child == 0) {
    ::close(ends[0]);
    BeChild(ends[1], engine, task);
  }
  ::close(ends[1]);
  const std::string text = ReadToEnd(ends[0]);
  ::close(ends[0]);
  int state = 0;
  ::waitpid(child, &state, 0);
  if (WIFSIGNALED(state)) {
    return Status::Internal(fmt::format("{} died of signal {} ({})", name, WTERMSIG(state),
                                        strsignal(WTERMSIG(state))));
  }
  boost::system::error_code bad;
  const json::value value = json::parse(text, bad);
  if (bad || !value.is_object()) return Status::Internal(name + " ended without a report");
  const json::object& object = value.as_object();
  if (const json::value* report = object.if_contains("report")) {
    return FromJson(report->as_object());
  }
  return Status(static_cast<StatusCode>(object.at("code").as_int64()),
                json::value_to<std::string>(object.at("message")));
}

}  // namespace quipu::usage
