#include "usage/peers/peer.h"

namespace quipu::usage {

const std::vector<Peer>& Peers() {
  static const std::vector<Peer> kPeers = {};
  return kPeers;
}

}  // namespace quipu::usage
