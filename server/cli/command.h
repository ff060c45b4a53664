// What the command files share: how each one is added to the application and how it ends.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "quipu/database.h"

namespace quipu::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// Adds commands. The callback of the command that was given writes its exit status to `*exit`.
void AddInitCommand(CLI::App& app, int* exit);
void AddStoreCommands(CLI::App& app, int* exit);
void AddRepairCommand(CLI::App& app, int* exit);
void AddEraseCommand(CLI::App& app, int* exit);
void AddFreezeCommand(CLI::App& app, int* exit);
void AddImportCommand(CLI::App& app, int* exit);
void AddQueryCommands(CLI::App& app, int* exit);
void AddSessionsCommand(CLI::App& app, int* exit);
void AddEventCommand(CLI::App& app, int* exit);
void AddLifecycleCommands(CLI::App& app, int* exit);
void AddSummariesCommands(CLI::App& app, int* exit);
void AddGenerateCommand(CLI::App& app, int* exit);

/// Prints "quipu: message" to standard error and returns kExitFailed.
int Fail(const Status& status);
/// The same for a wrong flag, with a hint at the help of `command`; returns kExitUsage.
int FailUsage(std::string_view command, std::string_view message);

/// Options with the engine's warnings and errors going to standard error.
Options BaseOptions();
/// Opens an existing store; a missing one is answered with how to make it.
Result<Database> OpenStore(const std::string& dir, Options options);
/// Without background work: for commands that look at everything, or do their work themselves.
Result<Database> OpenForReading(const std::string& dir);
/// For commands that only ask: if another process has the store open, or with `follow` always, as a follower.
Result<Database> OpenToAsk(const std::string& dir, bool follow);
/// The flag --follow of commands that only ask.
void AddFollow(CLI::App* command, bool* follow);

/// The flags --as-of and --since of commands that ask, and how they are read: "" is now, digits are a commit, else a freeze.
struct StateFlags {
  std::string as_of, since;
};
void AddStates(CLI::App* command, StateFlags* flags);
Status ReadState(const char* flag, const std::string& text, AsOf* state);

/// For flags that count: digits only. Without it "-1" would become the largest number there is.
CLI::Validator WholeNumber();

/// Writes all of `text` to standard output; false (after a message) if that fails.
bool WriteOut(std::string_view text);

}  // namespace quipu::cli
