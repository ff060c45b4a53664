#include "usage/naive.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

namespace quipu::usage {
namespace {

using generate::EndpointName;
using generate::kWorkloadEndpoints;
using generate::kWorkloadServices;
using generate::ServiceName;

struct Total {
  std::uint64_t count = 0;
  Int128 quantity_micro = 0, cost_nano = 0;
  void Add(const WorkloadRow& row) {
    ++count;
    quantity_micro += row.quantity_micro;
    cost_nano += row.cost_nano();
  }
  [[nodiscard]] std::string Count() const { return std::to_string(count); }
  [[nodiscard]] std::string Quantity() const { return DecimalText(quantity_micro, 6); }
  [[nodiscard]] std::string Cost() const { return DecimalText(cost_nano, 9); }
};

std::string SecondsText(TimeUs time, TimeUs unit) {
  return std::to_string(time / unit * (unit / kSecondUs));
}
std::string ServiceText(std::size_t service) {
  return std::string(ServiceName(static_cast<std::uint8_t>(service)));
}

/// One question being answered: rows in, answer out.
class Loop {
 public:
  explicit Loop(const Subjects& subjects) : subjects_(subjects) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  virtual ~Loop() = default;
  virtual void Take(const WorkloadRow& row) = 0;
  virtual Answer Finish() = 0;

 protected:
  [[nodiscard]] std::string CustomerText(std::uint32_t customer) const {
    std::string text;
    generate::AppendCustomer(customer, subjects_.customer_digits, &text);
    return text;
  }
  const Subjects& subjects_;
};

/// Q1 and Q4.
class DailyLoop : public Loop {
 public:
  DailyLoop(const Subjects& subjects, bool counted) : Loop(subjects), counted_(counted) {}
  void Take(const WorkloadRow& row) override { totals_[row.service][row.time / kDayUs].Add(row); }
  Answer Finish() override {
    Answer answer;
    for (std::size_t s = 0; s < kWorkloadServices; ++s) {
      for (const auto& [day, total] : totals_[s]) {
        Row row = {SecondsText(day * kDayUs, kDayUs), ServiceText(s)};
        if (counted_) row.push_back(total.Count());
        row.push_back(total.Quantity());
        row.push_back(total.Cost());
        if (!counted_) row.push_back(Change(s, day, total));
        answer.rows.push_back(std::move(row));
      }
    }
    return answer;
  }

 private:
  [[nodiscard]] std::string Change(std::size_t service, std::int64_t day, const Total& total) {
    const auto& days = totals_[service];
    if (day == days.begin()->first) return "";
    const auto before = days.find(day - 1);
    const Int128 then = before == days.end() ? 0 : before->second.quantity_micro;
    return DecimalText(total.quantity_micro - then, 6);
  }
  bool counted_;
  std::array<std::map<std::int64_t, Total>, kWorkloadServices> totals_;
};

/// Q2 and Q3.
class QuantileLoop : public Loop {
 public:
  QuantileLoop(const Subjects& subjects, std::vector<std::uint64_t> percents)
      : Loop(subjects), percents_(std::move(percents)) {}
  void Take(const WorkloadRow& row) override { values_[row.service].push_back(row.duration_ms); }
  Answer Finish() override {
    Answer answer;
    for (std::size_t s = 0; s < kWorkloadServices; ++s) {
      auto& values = values_[s];
      if (values.empty()) continue;
      Row row = {ServiceText(s)};
      for (const std::uint64_t percent : percents_) {
        const std::size_t rank = (values.size() * percent + 99) / 100;
        const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
        std::nth_element(values.begin(), at, values.end());
        row.push_back(std::to_string(*at));
      }
      answer.rows.push_back(std::move(row));
    }
    return answer;
  }

 private:
  std::vector<std::uint64_t> percents_;
  std::array<std::vector<std::uint32_t>, kWorkloadServices> values_;
};

/// Q5, Q6 and Q7: the ten highest of something.
class RankLoop : public Loop {
 public:
  using Loop::Loop;
  Answer Finish() override {
    using Entry = std::pair<std::string, Int128>;
    std::vector<Entry> entries;
    for (const auto& [key, sum] : sums_) entries.emplace_back(KeyText(key), sum);
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    if (entries.size() > 10) entries.resize(10);
    Answer answer;
    for (const auto& [key, sum] : entries) answer.rows.push_back({key, DecimalText(sum, Scale())});
    return answer;
  }

 protected:
  void Add(std::int64_t key, Int128 value) { sums_[key] += value; }
  [[nodiscard]] virtual std::string KeyText(std::int64_t key) const = 0;
  [[nodiscard]] virtual int Scale() const = 0;

 private:
  std::unordered_map<std::int64_t, Int128> sums_;
};

class HighestHoursLoop : public RankLoop {
 public:
  using RankLoop::RankLoop;
  void Take(const WorkloadRow& row) override {
    if (row.service == 0) Add(row.time / kHourUs, row.quantity_micro);
  }
  [[nodiscard]] std::string KeyText(std::int64_t key) const override {
    return std::to_string(key * 3600);
  }
  [[nodiscard]] int Scale() const override { return 6; }
};

class CostliestLoop : public RankLoop {
 public:
  using RankLoop::RankLoop;
  void Take(const WorkloadRow& row) override { Add(row.customer, row.cost_nano()); }
  [[nodiscard]] std::string KeyText(std::int64_t key) const override {
    return CustomerText(static_cast<std::uint32_t>(key));
  }
  [[nodiscard]] int Scale() const override { return 9; }
};

class BusiestLoop : public RankLoop {
 public:
  using RankLoop::RankLoop;
  void Take(const WorkloadRow& row) override { Add(row.endpoint, 1); }
  [[nodiscard]] std::string KeyText(std::int64_t key) const override {
    return EndpointName(static_cast<std::uint8_t>(key));
  }
  [[nodiscard]] int Scale() const override { return 0; }
};

class BillsLoop : public Loop {
 public:
  using Loop::Loop;
  void Take(const WorkloadRow& row) override {
    totals_[std::uint64_t{row.customer} * kWorkloadServices + row.service].Add(row);
  }
  Answer Finish() override {
    Answer answer;
    for (const auto& [key, total] : totals_) {
      answer.rows.push_back({CustomerText(static_cast<std::uint32_t>(key / kWorkloadServices)),
                             ServiceText(key % kWorkloadServices), total.Count(), total.Quantity(),
                             total.Cost()});
    }
    return answer;
  }

 private:
  std::unordered_map<std::uint64_t, Total> totals_;
};

class ErrorsLoop : public Loop {
 public:
  using Loop::Loop;
  void Take(const WorkloadRow& row) override {
    ++all_[row.endpoint];
    errors_[row.endpoint] += row.status == 3;
  }
  Answer Finish() override {
    Answer answer;
    for (std::size_t e = 0; e < kWorkloadEndpoints; ++e) {
      if (all_[e] == 0) continue;
      answer.rows.push_back({EndpointName(static_cast<std::uint8_t>(e)), std::to_string(all_[e]),
                             std::to_string(errors_[e])});
    }
    return answer;
  }

 private:
  std::array<std::uint64_t, kWorkloadEndpoints> all_{}, errors_{};
};

class DistinctLoop : public Loop {
 public:
  using Loop::Loop;
  void Take(const WorkloadRow& row) override {
    if (row.customer >= seen_.size()) seen_.resize(row.customer + std::size_t{1});
    seen_[row.customer] = true;
  }
  Answer Finish() override {
    return {{{std::to_string(std::count(seen_.begin(), seen_.end(), true))}}};
  }

 private:
  std::vector<bool> seen_;
};

class EverythingLoop : public Loop {
 public:
  using Loop::Loop;
  void Take(const WorkloadRow& row) override {
    total_.Add(row);
    tokens_ += row.tokens;
    duration_ += row.duration_ms;
  }
  Answer Finish() override {
    const double average = static_cast<double>(duration_) / static_cast<double>(total_.count);
    return {{{total_.Quantity(), total_.Cost(), std::to_string(tokens_),
              fmt::format("{:.12f}", average)}}};
  }

 private:
  Total total_;
  std::uint64_t tokens_ = 0, duration_ = 0;
};

class OneEventLoop : public Loop {
 public:
  using Loop::Loop;
  void Take(const WorkloadRow& row) override {
    if (row.id_high != subjects_.event.id_high || row.id_low != subjects_.event.id_low) return;
    answer_.rows.push_back({ServiceText(row.service), std::to_string(row.time),
                            DecimalText(row.quantity_micro, 6), DecimalText(row.cost_nano(), 9),
                            std::to_string(row.duration_ms), std::to_string(row.tokens)});
  }
  Answer Finish() override { return answer_; }

 private:
  Answer answer_;
};

std::unique_ptr<Loop> MakeLoop(Question question, const Subjects& s) {
  switch (question) {
    case Question::kQ1:
      return std::make_unique<DailyLoop>(s, true);
    case Question::kQ2:
      return std::make_unique<QuantileLoop>(s, std::vector<std::uint64_t>{50, 95, 99});
    case Question::kQ3:
    case Question::kQ3Largest:
      return std::make_unique<QuantileLoop>(s, std::vector<std::uint64_t>{95, 99});
    case Question::kQ4:
      return std::make_unique<DailyLoop>(s, false);
    case Question::kQ5:
      return std::make_unique<HighestHoursLoop>(s);
    case Question::kQ6:
      return std::make_unique<CostliestLoop>(s);
    case Question::kQ7:
      return std::make_unique<BusiestLoop>(s);
    case Question::kQ8:
      return std::make_unique<BillsLoop>(s);
    case Question::kQ9:
      return std::make_unique<ErrorsLoop>(s);
    case Question::kQ10:
      return std::make_unique<DistinctLoop>(s);
    case Question::kQ11:
      return std::make_unique<EverythingLoop>(s);
    case Question::kQ12:
      break;
  }
  return std::make_unique<OneEventLoop>(s);
}

bool InScope(const Scope& scope, const WorkloadRow& row) {
  return row.time >= scope.from_us && row.time < scope.to_us &&
         (!scope.customer || *scope.customer == row.customer);
}

}  // namespace

Answer AnswerNaively(Question question, const Subjects& subjects, const RowSource& source) {
  const Scope scope = ScopeOf(question, subjects);
  const std::unique_ptr<Loop> loop = MakeLoop(question, subjects);
  source([&](const WorkloadRow& row) {
    if (InScope(scope, row)) loop->Take(row);
  });
  return loop->Finish();
}

std::vector<Answer> AnswerAllNaively(const Subjects& subjects, const RowFile& file) {
  std::vector<Scope> scopes;
  std::vector<std::unique_ptr<Loop>> loops;
  for (const Question question : kQuestions) {
    scopes.push_back(ScopeOf(question, subjects));
    loops.push_back(MakeLoop(question, subjects));
  }
  ForEachRow(file, false, [&](const WorkloadRow& row) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
      if (InScope(scopes[i], row)) loops[i]->Take(row);
    }
  });
  std::vector<Answer> answers;
  for (const auto& loop : loops) answers.push_back(loop->Finish());
  return answers;
}

}  // namespace quipu::usage
