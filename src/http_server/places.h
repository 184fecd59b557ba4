// The places for connections, and who gives one up when they are short: the connection that has rested longest. One loop's part of them.
//   Rests    A connection between requests, or whose handshake or head has not come yet. It rests since its last request, whatever it
//            has begun to send: what rests may be closed for a new one at any time.
//   Address  An IPv4 address or an IPv6 /64. It has a share of the places; its new connections beyond that are at the cost of its own.
//   Threads  One loop's.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>

namespace millrace::http::server {

// IPv4 as such, whichever way it came; of IPv6 the first 64 bits.
boost::asio::ip::address client_key(boost::asio::ip::address const& address);

class Places {
 public:
  class Place;
  // Whatever closes the connection of a Place.
  class Resting {
   public:
    virtual ~Resting() = default;
    virtual void make_room() = 0;
  };

  explicit Places(std::size_t for_each_address) : for_each_address_(for_each_address) {}
  Places(Places const&) = delete;
  Places& operator=(Places const&) = delete;

  // Closes the one that rests longest; of all, or of an address. False: none rests.
  bool make_room();
  bool make_room(boost::asio::ip::address const& address);
  std::size_t of(boost::asio::ip::address const& address) const;

 private:
  struct Address {
    std::size_t places = 0;
    std::list<Place*> resting;  // the longest first
  };
  using Addresses = std::map<boost::asio::ip::address, Address>;
  static bool close_first(std::list<Place*>& resting);

  std::size_t const for_each_address_;
  std::list<Place*> resting_;  // the longest first
  Addresses addresses_;
};

// A connection's place; it does not rest at first.
class Places::Place {
 public:
  // `address`: whose share it is of; none: nobody's.
  Place(Places& places, Resting& connection, std::optional<boost::asio::ip::address> address);
  ~Place();
  Place(Place const&) = delete;
  Place& operator=(Place const&) = delete;
  void rest();  // from now
  void work();
  // There are more of its address than it may have, this one included.
  bool is_beyond_share() const;

 private:
  friend class Places;
  void leave();

  Places& places_;
  Resting& connection_;
  std::optional<Addresses::iterator> address_;
  std::list<Place*> mine_, mine_of_address_;  // while it does not rest, its nodes are here
  std::list<Place*>::iterator at_, at_of_address_;
  bool resting_ = false;
};

}  // namespace millrace::http::server
