#include "ingest/batch_view.h"

#include <string>

#include "base/bytes.h"
#include "base/hash.h"

namespace quipu {

const EventRows& BatchView::NoRows() {
  static const EventRows none;
  return none;
}

std::uint64_t BatchView::ContentHash() const {
  std::string bytes;
  ByteWriter w(&bytes);
  const auto number = [&w](const Decimal& d) {
    w.I128(d.mantissa());
    w.U8(static_cast<std::uint8_t>(d.scale()));
  };
  std::uint64_t hash = size();
  for (std::size_t i = 0; i < size(); ++i) {
    bytes.clear();
    for (const std::string_view text : {id(i), source(i), customer(i), service(i)}) w.Text(text);
    w.U8(has_time(i) ? 1 : 0);
    if (has_time(i)) w.I64(time(i));
    number(quantity(i));
    const std::optional<Decimal> paid = cost(i);
    w.U8(paid ? 1 : 0);
    if (paid) number(*paid);
    w.Varint(dimensions(i));
    for (std::size_t d = 0; d < dimensions(i); ++d) {
      w.Text(dimension(i, d).name);
      w.Text(dimension(i, d).value);
    }
    for (std::size_t m = 0; m < measures(i); ++m) {
      w.Text(measure(i, m).name);
      number(measure(i, m).value);
    }
    hash = Hash64(bytes, hash);  // chained: the order of the events counts
  }
  return hash;
}

}  // namespace quipu
