#include "tests/kill_record.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include "base/calendar.h"
#include "base/check.h"

namespace quipu {
namespace {

constexpr std::size_t kCustomersOfBatch = 5;

/// The digits of an id that is not text name the event in their last twelve.
std::string MakeId(int stream, std::size_t index, TimeUs time) {
  const auto number = (static_cast<unsigned long long>(stream) << 40) | index;
  const auto millis = static_cast<unsigned long long>(time / 1000);
  std::array<char, 80> text{};
  switch (index % 4) {
    case 0:
      std::snprintf(text.data(), text.size(), "%d-%zu", stream, index);
      break;
    case 1:
      std::snprintf(text.data(), text.size(), "00c0ffee00c0ffee0000%012llx", number);
      break;
    case 2:
      std::snprintf(text.data(), text.size(), "5eed0000-cafe-4bad-9bdd-%012llx", number);
      break;
    default:
      std::snprintf(text.data(), text.size(), "%08llx-%04llx-7abc-8def-%012llx", millis >> 16,
                    millis & 0xffff, number);
  }
  return text.data();
}

std::string Name(int stream, std::size_t index) {
  return "event " + std::to_string(stream) + "-" + std::to_string(index);
}

}  // namespace

TimeUs KillNow() { return ParseTime("2026-05-20T12:00:00Z")->time_us; }
TimeUs KillExpiryEnd() { return ParseTime("2026-03-01")->time_us; }

RetentionPolicy KillPolicy() {
  RetentionPolicy policy;
  // February ended 81 days ago, March 50.
  policy.rules = {{.name = "traces", .service = "trace", .keep_raw_days = 60},
                  {.name = "debugging", .service = "debug", .delete_after_days = 60},
                  {.name = "rest", .archive_after_days = 45}};
  policy.archive_keeps_ids = true;  // so that every event can be told from the others
  return policy;
}

std::size_t KillCustomer(int stream, std::size_t index) {
  if (stream == 0) return index * 31 % kKillCustomers;
  const std::size_t place = index / kStampedBatch * kCustomersOfBatch + index % kCustomersOfBatch;
  return place * 31 % kKillCustomers;
}

Fact KillFact(int stream, std::size_t index) {
  Fact f;
  f.customer = "c" + std::to_string(KillCustomer(stream, index));
  if (stream == 0) {
    f.service = index % 3 == 0 ? "api" : "llm";
    f.time = ParseTime("2026-04-12")->time_us +
             static_cast<TimeUs>(index * 7'919'000'003 % (38 * kDayUs));
  } else {
    static constexpr std::array<const char*, 10> kServices = {
        "api", "llm", "trace", "api", "trace", "debug", "llm", "trace", "debug", "storage"};
    f.service = kServices[index % kStampedBatch / kCustomersOfBatch];
    f.time = ParseTime("2026-01-01")->time_us +
             static_cast<TimeUs>(index * 7'919'000'003 % (90 * kDayUs));
  }
  f.id = MakeId(stream, index, f.time);
  f.quantity = Decimal(static_cast<std::int64_t>(index % 7) + 1);
  if (index % 4 != 0) f.cost = Decimal(static_cast<Int128>(index % 1000), 6);
  f.measures["tokens"] = Decimal(static_cast<std::int64_t>(index % 977));
  f.dimensions["status"] = index % 5 == 0 ? "500" : "200";
  return f;
}

KillFate KillFateOf(const Fact& fact) {
  if (fact.time >= KillExpiryEnd()) return KillFate::kKept;
  return fact.service == "trace"   ? KillFate::kSummarised
         : fact.service == "debug" ? KillFate::kDeleted
                                   : KillFate::kKept;
}

std::optional<std::pair<int, std::size_t>> FindKillEvent(const std::string& id) {
  int stream = 0;
  std::size_t index = 0;
  if (id.size() < 32) {
    if (std::sscanf(id.c_str(), "%d-%zu", &stream, &index) != 2) return std::nullopt;
  } else {
    unsigned long long number = 0;
    if (std::sscanf(id.c_str() + id.size() - 12, "%llx", &number) != 1) return std::nullopt;
    stream = static_cast<int>(number >> 40);
    index = number & ((1ull << 40) - 1);
  }
  if (stream < 0 || stream > 1 || KillFact(stream, index).id != id) return std::nullopt;
  return std::pair(stream, index);
}

void KillRecord::StartStore() {
  streams_[0] = {};
  streams_[1] = {};
  erasing_.reset();
  policy_told_ = false;
}

template <class Do>
void KillRecord::ForCustomer(std::size_t customer, Do&& visit) {
  for (int w = 0; w < 2; ++w) {
    for (std::size_t i = 0; i < streams_[w].known.size(); ++i) {
      if (KillCustomer(w, i) == customer) visit(w, i, streams_[w].known[i]);
    }
  }
}

std::string KillRecord::Hear(const std::string& line) {
  if (line.empty() || line[0] == 'E') return line.empty() ? "an empty line" : line;
  std::istringstream in(line.substr(1));
  if (line[0] == 'P') {
    policy_told_ = true;
    return "";
  }
  if (line[0] == 'X' || line[0] == 'Y') {
    std::size_t customer = 0;
    in >> customer;
    line[0] == 'X' ? StartErasing(customer) : EndErasing(customer);
    return "";
  }
  int stream = 0;
  std::size_t first = 0, count = 0;
  std::string outcomes;
  in >> stream >> first >> count >> outcomes;
  if (stream < 0 || stream > 1) return "no such stream: " + line;
  Stream& s = streams_[stream];
  if (line[0] == 'S' || line[0] == 'T') {
    if (line[0] == 'S' && first != s.next) return "sent out of order: " + line;
    StartSending(stream, first, count, line[0] == 'T');
    return "";
  }
  if (outcomes.size() != count || s.known.size() < first + count) return "no answer: " + line;
  const std::string wrong = Answered(stream, first, outcomes, line[0] == 'R');
  s.next = std::max(s.next, first + count);
  return wrong.empty() ? wrong : wrong + ": " + line;
}

void KillRecord::StartSending(int stream, std::size_t first, std::size_t count, bool again) {
  Stream& s = streams_[stream];
  if (s.known.size() < first + count) s.known.resize(first + count);
  // A stamped batch that is sent again stores nothing.
  if (again && stream == 1) return;
  for (std::size_t i = first; i < first + count; ++i) {
    s.known[i].is_sending = true;
    s.known[i].overlaps = erasing_ == KillCustomer(stream, i);
  }
}

std::string KillRecord::Answered(int stream, std::size_t first, const std::string& outcomes,
                                 bool replayed) {
  std::string wrong;
  for (std::size_t i = first; i < first + outcomes.size(); ++i) {
    Known& k = streams_[stream].known[i];
    const char outcome = outcomes[i - first];
    k.is_sending = false;
    if (replayed) {
      if (outcome != '0') wrong = Name(stream, i) + ": a replay was told something else";
      continue;
    }
    const bool is_certain = !k.overlaps && k.state <= State::kPresent;
    if (outcome != '0' && outcome != '1') wrong = Name(stream, i) + " was refused";
    if (is_certain && outcome != (k.state == State::kPresent ? '1' : '0'))
      wrong =
          Name(stream, i) + " was known to be " + (k.state == State::kPresent ? "there" : "absent");
    acknowledged_ += outcome == '0';
    k.state = k.overlaps ? State::kEither : State::kPresent;
    if (erasing_ != KillCustomer(stream, i)) k.overlaps = false;
  }
  return wrong;
}

void KillRecord::StartErasing(std::size_t customer) {
  erasing_ = customer;
  ForCustomer(customer, [](int, std::size_t, Known& k) {
    k.overlaps = k.is_sending;
    if (k.state == State::kPresent) k.state = State::kBeingErased;
  });
}

void KillRecord::EndErasing(std::size_t customer) {
  QUIPU_CHECK(erasing_ == customer);
  erasing_.reset();
  ++erasures_;
  ForCustomer(customer, [](int, std::size_t, Known& k) {
    k.state = k.overlaps ? State::kEither : State::kAbsent;
    k.overlaps = k.overlaps && k.is_sending;
  });
}

std::string KillRecord::Compare(const std::vector<std::vector<bool>>& seen) {
  std::string wrong = CompareErasure(seen);
  for (int w = 0; w < 2 && wrong.empty(); ++w) {
    Stream& s = streams_[w];
    QUIPU_CHECK(seen[w].size() == s.known.size());
    wrong = CompareInFlight(w, seen[w]);
    for (std::size_t i = 0; i < s.known.size() && wrong.empty(); ++i) {
      Known& k = s.known[i];
      if (k.state == State::kPresent && !seen[w][i]) {
        const bool may_expire =
            policy_told_ && w == 1 && KillFateOf(KillFact(w, i)) != KillFate::kKept;
        if (!may_expire) return "acknowledged " + Name(w, i) + " is lost";
        ++expired_;
      }
      if (k.state == State::kAbsent && seen[w][i] && !k.is_sending)
        return Name(w, i) + " is there, which was never sent, is erased or has expired";
      k = {seen[w][i] ? State::kPresent : State::kAbsent, false, false};
    }
  }
  erasing_.reset();
  return wrong;
}

/// The erasure that was being asked for: all that came before it is gone, or nothing.
std::string KillRecord::CompareErasure(const std::vector<std::vector<bool>>& seen) {
  if (!erasing_) return "";
  std::size_t there = 0, gone = 0;
  ForCustomer(*erasing_, [&](int w, std::size_t i, const Known& k) {
    if (k.state != State::kBeingErased || k.overlaps) return;
    if (w == 1 && policy_told_ && KillFateOf(KillFact(w, i)) == KillFate::kDeleted) return;
    ++(seen[w][i] ? there : gone);
  });
  if (there != 0 && gone != 0)
    return "half an erasure of c" + std::to_string(*erasing_) + ": " + std::to_string(gone) +
           " events are gone and " + std::to_string(there) + " are not";
  erasures_kept_ += gone != 0;
  erasures_lost_ += there != 0;
  return "";
}

/// The batch of which nothing was heard: all of it that was not there before is, or nothing.
std::string KillRecord::CompareInFlight(int stream, const std::vector<bool>& seen) {
  std::size_t there = 0, absent = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Known& k = streams_[stream].known[i];
    if (!k.is_sending || k.overlaps || k.state != State::kAbsent) continue;
    if (stream == 1 && policy_told_ && KillFateOf(KillFact(stream, i)) == KillFate::kDeleted)
      continue;
    ++(seen[i] ? there : absent);
  }
  if (there != 0 && absent != 0)
    return "half a batch: " + std::to_string(there) + " of " + std::to_string(there + absent);
  in_flight_kept_ += there != 0;
  in_flight_lost_ += absent != 0;
  return "";
}

}  // namespace quipu
