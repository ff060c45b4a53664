#include "tests/crash_record.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
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

TimeUs CrashNow() {
  static const TimeUs now = ParseTime("2026-05-20T12:00:00Z")->time_us;
  return now;
}
TimeUs CrashExpiryEnd() {
  static const TimeUs end = ParseTime("2026-03-01")->time_us;
  return end;
}

RetentionPolicy CrashPolicy() {
  RetentionPolicy policy;
  // February ended 81 days ago, March 50.
  policy.rules = {{.name = "traces", .service = "trace", .keep_raw_days = 60},
                  {.name = "debugging", .service = "debug", .delete_after_days = 60},
                  {.name = "rest", .archive_after_days = 45}};
  policy.archive_keeps_ids = true;  // so that every event can be told from the others
  return policy;
}

std::size_t CrashCustomer(int stream, std::size_t index) {
  if (stream == 0) return index * 31 % kCrashCustomers;
  const std::size_t place = index / kStampedBatch * kCustomersOfBatch + index % kCustomersOfBatch;
  return place * 31 % kCrashCustomers;
}

Fact CrashFact(int stream, std::size_t index) {
  static const TimeUs april = ParseTime("2026-04-12")->time_us;
  static const TimeUs january = ParseTime("2026-01-01")->time_us;
  Fact f;
  f.customer = "c" + std::to_string(CrashCustomer(stream, index));
  if (stream == 0) {
    f.service = index % 3 == 0 ? "api" : "llm";
    f.time = april + static_cast<TimeUs>(index * 7'919'000'003 % (38 * kDayUs));
  } else {
    static constexpr std::array<const char*, 10> kServices = {
        "api", "llm", "trace", "api", "trace", "debug", "llm", "trace", "debug", "storage"};
    f.service = kServices[index % kStampedBatch / kCustomersOfBatch];
    f.time = january + static_cast<TimeUs>(index * 7'919'000'003 % (90 * kDayUs));
  }
  f.id = MakeId(stream, index, f.time);
  f.quantity = Decimal(static_cast<std::int64_t>(index % 7) + 1);
  if (index % 4 != 0) f.cost = Decimal(static_cast<Int128>(index % 1000), 6);
  f.measures["tokens"] = Decimal(static_cast<std::int64_t>(index % 977));
  f.dimensions["status"] = index % 5 == 0 ? "500" : "200";
  return f;
}

CrashFate CrashFateOf(const Fact& fact) {
  if (fact.time >= CrashExpiryEnd()) return CrashFate::kKept;
  return fact.service == "trace"   ? CrashFate::kSummarised
         : fact.service == "debug" ? CrashFate::kDeleted
                                   : CrashFate::kKept;
}

std::optional<std::pair<int, std::size_t>> FindCrashEvent(const std::string& id) {
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
  if (stream < 0 || stream > 1 || CrashFact(stream, index).id != id) return std::nullopt;
  return std::pair(stream, index);
}

void CrashRecord::StartStore(Loss loss) {
  streams_[0] = {};
  streams_[1] = {};
  freezes_.clear();
  loss_ = loss;
  erasing_.reset();
  policy_told_ = false;
}

void CrashRecord::StartChild() {
  is_cut_ = false;
  acknowledged_ = sealing_ = 0;
}

template <class Do>
void CrashRecord::ForCustomer(std::size_t customer, Do&& visit) {
  for (int w = 0; w < 2; ++w) {
    for (std::size_t i = 0; i < streams_[w].known.size(); ++i) {
      if (CrashCustomer(w, i) == customer) visit(w, i, streams_[w].known[i]);
    }
  }
}

std::string CrashRecord::Hear(const std::string& line) {
  if (line.empty()) return "an empty line";
  switch (line[0]) {
    case 'O':
      return "";
    case 'P':
      policy_told_ = true;
      return "";
    case 'L':
      sealing_ = acknowledged_;
      return "";
    case 'D':
      if (!is_cut_) durable_ = std::max(durable_, sealing_);
      return "";
    case 'X':
      StartErasing(std::stoul(line.substr(1)));
      return "";
    case 'Y':
      EndErasing(std::stoul(line.substr(1)));
      return "";
    case 'F':
    case 'G':
    case 'Q':
    case 'Z':
      return HearOfFreeze(line);
    case 'E':
      return is_cut_ ? "" : line;  // without a disk every call fails
    default:
      return HearOfRange(line);
  }
}

std::string CrashRecord::HearOfFreeze(const std::string& line) {
  std::istringstream in(line.substr(1));
  std::string name, answer;
  std::uint64_t commit = 0;
  in >> name >> commit >> answer;
  KnownFreeze& freeze = freezes_[name];
  if (line[0] == 'F') freeze.at_least = acknowledged_;
  if (line[0] == 'Q') freeze.is_certain = false;
  if (is_cut_) return "";
  if (line[0] == 'Z') freezes_.erase(name);
  if (line[0] != 'G') return "";
  if (commit < freeze.at_least)
    return "commit " + std::to_string(freeze.at_least) + " is not in the freeze: " + line;
  freeze.is_certain = true;
  freeze.answer = answer;
  ++sums_.freezes;
  return "";
}

std::string CrashRecord::CompareFreezes(const std::map<std::string, std::string>& found) {
  for (const auto& [name, known] : freezes_) {
    const auto it = found.find(name);
    if (it == found.end() && known.is_certain) return "acknowledged freeze " + name + " is lost";
    if (it == found.end()) continue;
    sums_.freezes_kept += known.is_certain ? 0 : 1;
    if (known.answer == "-" || it->second == "-") continue;
    if (known.answer != it->second) return "freeze " + name + " answers something else";
    ++sums_.answers_kept;
  }
  std::map<std::string, KnownFreeze> seen;
  for (const auto& [name, answer] : found) {
    if (!freezes_.contains(name)) return "freeze " + name + " was never made, or is dropped";
    seen[name] = {.is_certain = true, .answer = answer};
  }
  freezes_ = std::move(seen);
  return "";
}

std::string CrashRecord::HearOfRange(const std::string& line) {
  int stream = 0;
  std::size_t first = 0, count = 0;
  std::string outcomes;
  std::uint64_t seq = 0;
  std::istringstream in(line.substr(1));
  in >> stream >> first >> count >> outcomes >> seq;
  if (stream < 0 || stream > 1) return "no such stream: " + line;
  Stream& s = streams_[stream];
  if (s.known.size() < first + count) {
    if (line[0] != 'S') return "never sent: " + line;
    s.known.resize(first + count);
  }
  if (is_cut_) {
    Doubt(stream, first, count);
    // An earlier answer to it may be lost with its commit; SkipStored finds out.
    if (stream == 1 && loss_ == Loss::kSuffix) s.next = std::min(s.next, first);
    return "";
  }
  if (line[0] == 'S' || line[0] == 'T') {
    if (line[0] == 'S' && first != s.next) return "sent out of order: " + line;
    StartSending(stream, first, count, line[0] == 'T');
    return "";
  }
  if (outcomes.size() != count) return "no answer: " + line;
  const std::string wrong = Answered(stream, first, outcomes, seq, line[0] == 'R');
  s.next = std::max(s.next, first + count);
  return wrong.empty() ? wrong : wrong + ": " + line;
}

/// Whatever is found of these will be right.
void CrashRecord::Doubt(int stream, std::size_t first, std::size_t count) {
  for (std::size_t i = first; i < first + count; ++i)
    streams_[stream].known[i] = {.state = State::kEither, .may_be_stored = true};
}

void CrashRecord::StartSending(int stream, std::size_t first, std::size_t count, bool again) {
  // A stamped batch that is sent again stores nothing.
  if (again && stream == 1) return;
  for (std::size_t i = first; i < first + count; ++i) {
    Known& k = streams_[stream].known[i];
    k.is_sending = true;
    k.overlaps = erasing_ == CrashCustomer(stream, i);
    k.after_seq = acknowledged_;
  }
}

std::string CrashRecord::Answered(int stream, std::size_t first, const std::string& outcomes,
                                  std::uint64_t seq, bool replayed) {
  std::string wrong;
  for (std::size_t i = first; i < first + outcomes.size(); ++i) {
    Known& k = streams_[stream].known[i];
    const char outcome = outcomes[i - first];
    k.is_sending = false;
    if (replayed) {
      if (outcome != '0') wrong = Name(stream, i) + ": a replay was told something else";
      if (k.is_lost) wrong = Name(stream, i) + " was called a replay, but it is not stored";
      continue;
    }
    const bool is_certain = !k.overlaps && k.state <= State::kPresent;
    if (outcome != '0' && outcome != '1') wrong = Name(stream, i) + " was refused";
    if (is_certain && outcome != (k.state == State::kPresent ? '1' : '0'))
      wrong =
          Name(stream, i) + " was known to be " + (k.state == State::kPresent ? "there" : "absent");
    sums_.acknowledged += outcome == '0';
    if (outcome == '0') k.seq = seq;
    k.is_lost = false;
    k.may_be_stored = true;
    k.state = k.overlaps ? State::kEither : State::kPresent;
    if (erasing_ != CrashCustomer(stream, i)) k.overlaps = false;
  }
  if (!replayed) acknowledged_ = std::max(acknowledged_, seq);
  return wrong;
}

void CrashRecord::StartErasing(std::size_t customer) {
  if (!is_cut_) erasing_ = customer;
  ForCustomer(customer, [&](int, std::size_t, Known& k) {
    if (is_cut_) {
      k = {.state = State::kEither};
      return;
    }
    k.overlaps = k.is_sending;
    if (k.state == State::kPresent) k.state = State::kBeingErased;
  });
}

void CrashRecord::EndErasing(std::size_t customer) {
  if (is_cut_) return StartErasing(customer);
  QUIPU_CHECK(erasing_ == customer);
  erasing_.reset();
  ++sums_.erasures;
  ForCustomer(customer, [](int, std::size_t, Known& k) {
    k.state = k.overlaps ? State::kEither : State::kAbsent;
    k.overlaps = k.overlaps && k.is_sending;
  });
}

bool CrashRecord::MayExpire(int stream, std::size_t index) const {
  return policy_told_ && stream == 1 && CrashFateOf(CrashFact(stream, index)) != CrashFate::kKept;
}

std::string CrashRecord::Compare(const std::vector<std::vector<bool>>& seen, std::uint64_t as_of) {
  std::string wrong = CompareErasure(seen, as_of);
  if (wrong.empty() && loss_ == Loss::kSuffix) wrong = CompareSuffix(seen, as_of);
  for (int w = 0; w < 2 && wrong.empty(); ++w) {
    QUIPU_CHECK(seen[w].size() == sent(w));
    wrong = CompareInFlight(w, seen[w]);
    if (wrong.empty()) wrong = CompareEvents(w, seen[w]);
  }
  erasing_.reset();
  durable_ = 0;
  return wrong;
}

/// The erasure that was being asked for: all that came before it is gone, or nothing.
std::string CrashRecord::CompareErasure(const std::vector<std::vector<bool>>& seen,
                                        std::uint64_t as_of) {
  if (!erasing_) return "";
  std::size_t there = 0, gone = 0;
  ForCustomer(*erasing_, [&](int w, std::size_t i, const Known& k) {
    if (k.state != State::kBeingErased || k.overlaps) return;
    if (loss_ == Loss::kSuffix && k.seq > as_of) return;
    if (MayExpire(w, i) && CrashFateOf(CrashFact(w, i)) == CrashFate::kDeleted) return;
    ++(seen[w][i] ? there : gone);
  });
  if (there != 0 && gone != 0)
    return "half an erasure of c" + std::to_string(*erasing_) + ": " + std::to_string(gone) +
           " events are gone and " + std::to_string(there) + " are not";
  sums_.erasures_kept += gone != 0;
  sums_.erasures_lost += there != 0;
  return "";
}

/// Commits after `as_of` are gone, and nothing else.
std::string CrashRecord::CompareSuffix(const std::vector<std::vector<bool>>& seen,
                                       std::uint64_t as_of) {
  if (as_of < durable_)
    return "commit " + std::to_string(durable_) + " was sealed, the last one there is " +
           std::to_string(as_of);
  const std::size_t lost_before = sums_.events_lost;
  for (int w = 0; w < 2; ++w) {
    for (std::size_t i = 0; i < sent(w); ++i) {
      Known& k = streams_[w].known[i];
      const bool is_in_flight = k.is_sending && k.state == State::kAbsent;
      if (is_in_flight ? k.after_seq < as_of : k.seq <= as_of) continue;
      if (seen[w][i])
        return Name(w, i) + " is there, but the last commit is " + std::to_string(as_of);
      if (is_in_flight) continue;
      sums_.events_lost += k.state == State::kPresent;
      k.state = State::kAbsent;
      k.is_lost = !k.is_sending;
      k.may_be_stored = false;
      if (w == 1) streams_[1].next = std::min(streams_[1].next, i / kStampedBatch * kStampedBatch);
    }
  }
  sums_.suffixes_lost += sums_.events_lost > lost_before;
  return "";
}

/// The batch of which nothing was heard: all of it that was not there before is, or nothing.
std::string CrashRecord::CompareInFlight(int stream, const std::vector<bool>& seen) {
  std::size_t there = 0, absent = 0;
  const auto is_counted = [&](std::size_t i) {
    const Known& k = streams_[stream].known[i];
    if (!k.is_sending || k.overlaps || k.state != State::kAbsent) return false;
    return !MayExpire(stream, i) || CrashFateOf(CrashFact(stream, i)) != CrashFate::kDeleted;
  };
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (is_counted(i)) ++(seen[i] ? there : absent);
  }
  if (there != 0 && absent != 0)
    return "half a batch: " + std::to_string(there) + " of " + std::to_string(there + absent);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    Known& k = streams_[stream].known[i];
    if (k.is_sending) k.is_lost = absent != 0 && is_counted(i) && !k.may_be_stored;
  }
  sums_.in_flight_kept += there != 0;
  sums_.in_flight_lost += absent != 0;
  return "";
}

std::string CrashRecord::CompareEvents(int stream, const std::vector<bool>& seen) {
  for (std::size_t i = 0; i < seen.size(); ++i) {
    Known& k = streams_[stream].known[i];
    if (k.state == State::kPresent && !seen[i]) {
      if (!MayExpire(stream, i)) return "acknowledged " + Name(stream, i) + " is lost";
      ++sums_.expired;
    }
    if (k.state == State::kAbsent && seen[i] && !k.is_sending)
      return Name(stream, i) + " is there, which was never sent, is erased or has expired";
    k = {.state = seen[i] ? State::kPresent : State::kAbsent,
         .is_lost = k.is_lost && !seen[i],
         .may_be_stored = k.may_be_stored || seen[i]};
  }
  if (stream == 1) {
    NoteStoredBatches();
    SkipStored(seen);
  }
  return "";
}

/// A stamped batch was stored as a whole, or not at all: what an erasure took of it before anybody saw it was stored, too.
void CrashRecord::NoteStoredBatches() {
  std::vector<Known>& known = streams_[1].known;
  for (std::size_t first = 0; first < known.size(); first += kStampedBatch) {
    const auto batch =
        std::span(known).subspan(first).first(std::min(kStampedBatch, known.size() - first));
    const bool is_stored =
        std::any_of(batch.begin(), batch.end(), [](const Known& k) { return k.may_be_stored; });
    for (Known& k : batch) k.may_be_stored = is_stored;
  }
}

/// Stamped batches that were stored although nothing was heard of them. The last few are sent again, which the store knows for replays; of earlier
/// ones it has no replies any more, and would say so.
void CrashRecord::SkipStored(const std::vector<bool>& seen) {
  constexpr std::size_t kSentAgain = 3;
  std::size_t batches = seen.size() / kStampedBatch;
  const auto is_stored = [&](std::size_t batch) {
    const auto first = seen.begin() + static_cast<std::ptrdiff_t>(batch * kStampedBatch);
    return std::find(first, first + kStampedBatch, true) != first + kStampedBatch;
  };
  while (batches > 0 && !is_stored(batches - 1)) --batches;
  if (batches > kSentAgain)
    streams_[1].next = std::max(streams_[1].next, (batches - kSentAgain) * kStampedBatch);
}

}  // namespace quipu
