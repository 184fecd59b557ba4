#include "http_server/places.h"

#include <algorithm>

namespace millrace::http::server {

namespace ip = boost::asio::ip;

ip::address client_key(ip::address const& address) {
  if (address.is_v4()) return address;
  auto const v6 = address.to_v6();
  if (v6.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, v6);
  auto bytes = v6.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return ip::address_v6(bytes);
}

bool Places::close_first(std::list<Place*>& resting) {
  if (resting.empty()) return false;
  auto* const first = resting.front();
  first->leave();  // it goes once
  first->connection_.make_room();
  return true;
}

bool Places::make_room() { return close_first(resting_); }

bool Places::make_room(ip::address const& address) {
  auto const at = addresses_.find(address);
  return at != addresses_.end() && close_first(at->second.resting);
}

std::size_t Places::of(ip::address const& address) const {
  auto const at = addresses_.find(address);
  return at == addresses_.end() ? 0 : at->second.places;
}

Places::Place::Place(Places& places, Resting& connection, std::optional<ip::address> address)
    : places_(places), connection_(connection), mine_{this}, mine_of_address_{this} {
  at_ = mine_.begin();
  at_of_address_ = mine_of_address_.begin();
  if (address) {
    address_ = places_.addresses_.try_emplace(*address).first;
    ++(*address_)->second.places;
  }
}

Places::Place::~Place() {
  leave();
  if (address_ && --(*address_)->second.places == 0) places_.addresses_.erase(*address_);
}

void Places::Place::rest() {
  leave();
  resting_ = true;
  places_.resting_.splice(places_.resting_.end(), mine_);
  if (!address_) return;
  auto& of_address = (*address_)->second.resting;
  of_address.splice(of_address.end(), mine_of_address_);
}

void Places::Place::work() { leave(); }

void Places::Place::leave() {
  if (!resting_) return;
  resting_ = false;
  mine_.splice(mine_.end(), places_.resting_, at_);
  if (address_)
    mine_of_address_.splice(mine_of_address_.end(), (*address_)->second.resting, at_of_address_);
}

bool Places::Place::is_beyond_share() const {
  return address_ && (*address_)->second.places > places_.for_each_address_;
}

}  // namespace millrace::http::server
