// Files of any content through the three importers: a record becomes an event, or is refused with a message; what CheckEvent lets through keeps the bounds of
// the event model.
//
// Input: one byte that chooses the format, then the file.
#include <algorithm>
#include <memory>

#include "base/bytes.h"
#include "base/check.h"
#include "import/combined.h"
#include "import/csv.h"
#include "import/ndjson.h"

namespace {

using namespace quipu;
using namespace quipu::import;

void CheckBounds(const ParsedEvent& parsed) {
  const Event& e = parsed.event;
  QUIPU_CHECK(!e.customer.empty() && e.customer.size() <= kNameBytesMax);
  QUIPU_CHECK(!e.service.empty() && e.service.size() <= kNameBytesMax);
  QUIPU_CHECK(e.dimensions.size() <= kDimensionsMax && e.measures.size() <= kMeasuresMax);
  QUIPU_CHECK(e.quantity.IsStorable() && (!e.cost || e.cost->IsStorable()));
  QUIPU_CHECK(!e.time || (*e.time >= kTimeMin && *e.time < kTimeMax));
  EventBatch batch;
  batch.Add(e);
  QUIPU_CHECK(batch.size() == 1);
}

void Feed(RecordParser* parser, std::string_view file) {
  ParsedEvent parsed;
  while (!file.empty() && !parser->unusable()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    const std::string line(file.substr(0, end));  // of its own, so that a read beyond it is seen
    file.remove_prefix(std::min(end + 1, file.size()));
    parsed.Clear();
    const auto taken = parser->Take(line, &parsed);
    if (!taken) {
      QUIPU_CHECK(!taken.error().message().empty());
    } else if (*taken == Taken::kEvent && CheckEvent(parsed, std::nullopt).ok()) {
      CheckBounds(parsed);
    }
  }
  static_cast<void>(parser->Finish());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view file = AsText({data + 1, size - 1});
  const std::unique_ptr<RecordParser> parser = data[0] % 3 == 0   ? MakeNdjsonParser()
                                               : data[0] % 3 == 1 ? MakeCsvParser({})
                                                                  : MakeCombinedParser();
  Feed(parser.get(), file);
  return 0;
}
