#include "query/stored_event.h"

#include <algorithm>

namespace quipu {

StoredEvent MakeStoredEvent(const RowBatch& rows, std::size_t i, const Catalogue& catalogue) {
  StoredEvent e;
  e.customer = catalogue.Customer(rows.customers[i]);
  e.id = rows.IdText(i, e.customer);
  e.source = rows.sources.Text(i);
  e.time = rows.times[i];
  e.service = catalogue.Service(rows.services[i]);
  for (const DecimalColumn& m : rows.measures) {
    if (!m.IsPresent(i)) continue;
    if (m.id == kQuantityColumn) {
      e.quantity = m.Value(i);
    } else if (m.id == kCostColumn) {
      e.cost = m.Value(i);
    } else {
      e.measures.emplace_back(catalogue.Measure(m.id), m.Value(i));
    }
  }
  for (const CodedColumn& d : rows.dimensions) {
    if (d.IsPresent(i)) e.dimensions.emplace_back(catalogue.Dimension(d.id), d.Text(i));
  }
  std::sort(e.dimensions.begin(), e.dimensions.end());
  std::sort(e.measures.begin(), e.measures.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return e;
}

}  // namespace quipu
