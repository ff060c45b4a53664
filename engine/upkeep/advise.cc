#include "upkeep/advise.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "batch/dictionary_index.h"
#include "segment/key_index.h"

namespace quipu {
namespace {

constexpr std::size_t kCellsMax = 1u << 18;  // of one candidate; more never pays in such a sample
constexpr std::uint32_t kValuesMax = kSetValuesMax;

/// Values of one dimension, numbered over the whole sample.
class Numbering {
 public:
  std::uint32_t CodeOf(std::string_view text) { return index_.FindOrAdd(text, &texts_); }

 private:
  StringList texts_;
  DictionaryIndex index_;
};

/// Combinations of some dimensions, and those by day.
struct Candidate {
  std::vector<std::size_t> dimensions;  // places in the service's list
  std::unordered_set<std::uint64_t> combinations;
  KeyIndex by_day;
  bool is_hopeless = false;
};

struct ServiceSample {
  std::uint64_t rows = 0;
  std::vector<std::size_t> dimensions;  // places in Sample::dimensions_, fewest values first
  std::vector<std::unordered_set<std::uint32_t>> values;  // by dimension of the sample
  std::vector<Candidate> candidates;
};

/// Rows of the sample by number: the codes of all dimensions beside service and day.
struct Rows {
  std::vector<ServiceOrdinal> services;
  std::vector<std::uint32_t> days;
  std::vector<std::vector<std::uint32_t>> codes;  // by dimension
};

class Sample {
 public:
  Sample(const View& view, const Store& store, const std::function<bool(std::uint64_t)>& progress)
      : view_(view), store_(store), progress_(progress) {}

  Result<SummaryAdvice> Run() {
    for (const SegmentPtr& segment : view_.segments) {
      for (const PageBytes& part : segment->BytesByColumn()) {
        if (part.kind == PageKind::kSummaries || part.kind == PageKind::kDimensionCells)
          advice_.summary_bytes += part.bytes;
      }
      if (segment->meta().spec.summaries_only) continue;
      advice_.events += segment->rows();
      QUIPU_TRY_ASSIGN(const Directory* const directory, segment->directory());
      for (const quipu::Run& run : directory->runs()) events_[run.service] += run.rows;
      for (const ColumnId id : segment->dimensions()) {
        if (std::find(dimensions_.begin(), dimensions_.end(), id) == dimensions_.end())
          dimensions_.push_back(id);
      }
    }
    numberings_.resize(dimensions_.size());
    rows_.codes.resize(dimensions_.size());
    QUIPU_TRY(ReadRows());
    QUIPU_TRY(CountAll());
    for (auto& [service, sample] : services_) Propose(service, sample);
    return std::move(advice_);
  }

 private:
  /// The newest segments, until there are enough rows.
  Status ReadRows() {
    std::vector<SegmentPtr> newest;
    for (const SegmentPtr& segment : view_.segments) {
      if (segment->rows() > 0) newest.push_back(segment);
    }
    std::sort(newest.begin(), newest.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
      return a->meta().time_max > b->meta().time_max;
    });
    for (const SegmentPtr& segment : newest) {
      if (advice_.events_looked_at >= kAdviceRowsMax) break;
      QUIPU_TRY(ReadSegment(*segment));
    }
    return {};
  }

  Status ReadSegment(const SegmentReader& segment) {
    QUIPU_TRY_ASSIGN(const Directory* const directory, segment.directory());
    for (const quipu::Run& run : directory->runs())
      rows_.services.insert(rows_.services.end(), run.rows, run.service);
    std::vector<TimeUs> times;
    DimensionVector vector;
    for (std::uint32_t v = 0; v < segment.vectors(); ++v) {
      if (advice_.events_looked_at >= kAdviceRowsMax) break;
      QUIPU_TRY(segment.ReadTimes(v, &times));
      for (const TimeUs t : times)
        rows_.days.push_back(static_cast<std::uint32_t>(FloorTo(t, kDayUs) / kDayUs + (1 << 24)));
      for (std::size_t d = 0; d < dimensions_.size(); ++d) {
        QUIPU_TRY(segment.ReadDimension(dimensions_[d], v, &vector));
        Translate(vector, d);
      }
      advice_.events_looked_at += times.size();
      if (progress_ && !progress_(advice_.events_looked_at))
        return Status::Cancelled("the advice was stopped");
    }
    rows_.services.resize(rows_.days.size());  // of the rows that were read
    return {};
  }

  void Translate(const DimensionVector& vector, std::size_t d) {
    std::vector<std::uint32_t>& known = known_;
    known.assign(vector.dictionary->size() + 1, 0);
    for (const std::uint32_t code : vector.codes) {
      if (code != 0 && known[code] == 0)
        known[code] = numberings_[d].CodeOf((*vector.dictionary)[code - 1]);
      rows_.codes[d].push_back(known[code]);
    }
  }

  Status CountAll() {
    const std::size_t rows = rows_.services.size();
    for (std::size_t i = 0; i < rows; ++i) {
      ServiceSample& sample = services_[rows_.services[i]];
      if (sample.values.empty()) sample.values.resize(dimensions_.size());
      ++sample.rows;
      for (std::size_t d = 0; d < dimensions_.size(); ++d) {
        if (sample.values[d].size() <= kValuesMax) sample.values[d].insert(rows_.codes[d][i]);
      }
    }
    for (auto& [service, sample] : services_) MakeCandidates(&sample);
    for (std::size_t i = 0; i < rows; ++i) {
      if (i % kRowGroupRows == 0 && progress_ && !progress_(advice_.events_looked_at))
        return Status::Cancelled("the advice was stopped");
      for (Candidate& candidate : services_[rows_.services[i]].candidates) Count(i, &candidate);
    }
    return {};
  }

  void MakeCandidates(ServiceSample* sample) const {
    std::vector<std::size_t>& list = sample->dimensions;
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      const auto& values = sample->values[d];
      const bool is_there = values.size() > 1 || (values.size() == 1 && !values.contains(0));
      if (is_there && values.size() <= kValuesMax) list.push_back(d);
    }
    std::stable_sort(list.begin(), list.end(), [&](std::size_t a, std::size_t b) {
      return sample->values[a].size() < sample->values[b].size();
    });
    if (list.size() > kAdviceDimensionsMax) list.resize(kAdviceDimensionsMax);
    for (std::size_t a = 0; a < list.size(); ++a) {
      sample->candidates.push_back({{list[a]}, {}, {}, false});
      for (std::size_t b = a + 1; b < list.size(); ++b) {
        sample->candidates.push_back({{list[a], list[b]}, {}, {}, false});
        for (std::size_t c = b + 1; c < std::min(list.size(), kAdviceTriplesOf); ++c)
          sample->candidates.push_back({{list[a], list[b], list[c]}, {}, {}, false});
      }
    }
  }

  void Count(std::size_t row, Candidate* candidate) const {
    if (candidate->is_hopeless) return;
    constexpr int kCodeBits = 16;
    std::uint64_t key = 0;
    for (const std::size_t d : candidate->dimensions)
      key = key << kCodeBits | (rows_.codes[d][row] & 0xFFFF);
    // Days are few: they share the upper bits with a code that is not used.
    const std::uint64_t day = std::uint64_t{rows_.days[row] & 0xFFFF} << (3 * kCodeBits);
    const std::size_t before = candidate->by_day.size();
    candidate->by_day.FindOrAdd(key | day);
    if (candidate->by_day.size() == before) return;
    candidate->combinations.insert(key);
    if (candidate->by_day.size() <= kCellsMax) return;
    candidate->is_hopeless = true;
    candidate->by_day.Clear();
    candidate->combinations.clear();
  }

  /// The largest of a service's candidates that pay.
  void Propose(ServiceOrdinal service, const ServiceSample& sample) {
    std::vector<SummaryProposal> paying, refused;
    for (const Candidate& candidate : sample.candidates) {
      if (candidate.is_hopeless) continue;
      SummaryProposal proposal = Describe(service, sample, candidate);
      (Pays(proposal) ? paying : refused).push_back(std::move(proposal));
    }
    const std::vector<SummaryProposal> all = paying;
    std::erase_if(paying, [&](const SummaryProposal& p) {
      return std::any_of(all.begin(), all.end(), [&](const SummaryProposal& other) {
        return other.set.dimensions.size() > p.set.dimensions.size() &&
               std::includes(other.set.dimensions.begin(), other.set.dimensions.end(),
                             p.set.dimensions.begin(), p.set.dimensions.end()) &&
               other.set.measures.size() >= p.set.measures.size();
      });
    });
    const auto better = [](const SummaryProposal& a, const SummaryProposal& b) {
      return a.events_per_cell > b.events_per_cell;
    };
    std::sort(paying.begin(), paying.end(), better);
    std::sort(refused.begin(), refused.end(), better);
    advice_.proposals.insert(advice_.proposals.end(), paying.begin(), paying.end());
    advice_.refused.insert(advice_.refused.end(), refused.begin(), refused.end());
  }

  [[nodiscard]] static bool Pays(const SummaryProposal& p) {
    const auto numbers = static_cast<double>(1 + 2 * p.set.measures.size());
    return p.events_per_cell >= static_cast<double>(kSetRowsMin) * numbers;
  }

  [[nodiscard]] SummaryProposal Describe(ServiceOrdinal service, const ServiceSample& sample,
                                         const Candidate& candidate) const {
    SummaryProposal p;
    p.set.service = store_.catalogue().Service(service);
    std::vector<std::pair<std::string, std::uint64_t>> named;
    for (const std::size_t d : candidate.dimensions)
      named.emplace_back(store_.catalogue().Dimension(dimensions_[d]), sample.values[d].size());
    std::sort(named.begin(), named.end());
    for (const auto& [name, values] : named) {
      p.set.dimensions.push_back(name);
      p.values.push_back(values);
    }
    p.combinations = candidate.combinations.size();
    p.events = events_.at(service);
    const auto rows = static_cast<double>(sample.rows);
    const auto cells = static_cast<double>(candidate.by_day.size());
    p.events_per_cell = rows / cells;
    p.cells = static_cast<std::uint64_t>(cells * static_cast<double>(p.events) / rows);
    // With quantity and cost where that pays, else as a count.
    p.set.measures = {"cost", "quantity"};
    if (!Pays(p)) p.set.measures.clear();
    const double cell_bytes =
        kCellBytes + kCellMeasureBytes * static_cast<double>(p.set.measures.size());
    p.bytes = static_cast<std::uint64_t>(static_cast<double>(p.cells) * cell_bytes);
    p.bytes_per_event = cell_bytes / p.events_per_cell;
    for (const SummarySet& declared : store_.summary_sets()) {
      p.is_declared =
          p.is_declared || ((declared.service.empty() || declared.service == p.set.service) &&
                            std::includes(declared.dimensions.begin(), declared.dimensions.end(),
                                          p.set.dimensions.begin(), p.set.dimensions.end()));
    }
    return p;
  }

  const View& view_;
  const Store& store_;
  const std::function<bool(std::uint64_t)>& progress_;
  std::vector<ColumnId> dimensions_;
  std::vector<Numbering> numberings_;
  Rows rows_;
  std::map<ServiceOrdinal, std::uint64_t> events_;
  std::map<ServiceOrdinal, ServiceSample> services_;
  std::vector<std::uint32_t> known_;
  SummaryAdvice advice_;
};

}  // namespace

Result<SummaryAdvice> Advise(const View& view, const Store& store,
                             const std::function<bool(std::uint64_t rows)>& progress) {
  return Sample(view, store, progress).Run();
}

}  // namespace quipu
