// Whether an ask that met no answer goes again within its attempt, and how; and what an origin is remembered for by it. Pure.
//   Bounds  Once behind a kept connection that had gone; twice what an HTTP/2 peer refused; eight times what it had surely not processed
//           when it ended its connection; once over HTTP/2 where HTTP/1.1 was not taken. Then HTTP/1.1 is spoken, or the ask has failed.
#pragma once
#include <string>

#include "base/time.h"
#include "http_client/client.h"
#include "http_client/http1.h"
#include "http_client/pool.h"

namespace millrace::http::client {

// What stays of an answer that is asked for once more. `sent`: the peer may have seen the request, and so it is marked.
void begin_again(Answer& answer, bool sent);

// HTTP/2 is not offered for a while, unless the peer seems to speak nothing else.
void avoid_http2(Origin& origin, SteadyTime now, Duration span);

class Again {
 public:
  // `may`: speak HTTP/2 with this origin.
  explicit Again(bool may) : http1_(!may), may_http2_(may) {}

  bool http1() const { return http1_; }          // is spoken from now on
  bool fresh() const { return fresh_; }          // only over a new connection
  bool wants_http2() const { return probing_; }  // and nothing else: HTTP/1.1 has failed

  struct Met {
    Exchanged how{};
    SteadyTime now{};
    bool http2 = false, kept = false, chose_protocol = false;  // the connection
    std::uint64_t served = 0;                                  // by it, over HTTP/2
  };
  // True: ask again; `answer` is emptied. False: `answer` is the last.
  bool after(Met const& met, Origin& origin, Answer& answer);
  // A peer has broken off the handshake because it takes no protocol that was offered.
  bool after_other_protocol(Origin& origin, Answer& answer, SteadyTime now);
  // It does not speak HTTP/2 either: the answer is what HTTP/1.1 had come to, and for ten minutes it is not asked again.
  void give_up(Origin& origin, Answer& answer, SteadyTime now);

 private:
  bool probe(Origin& origin, Answer& answer, SteadyTime now);
  bool over_http1(Origin& origin, Answer& answer);

  bool http1_, may_http2_;
  bool fresh_ = false, replaced_ = false, probing_ = false;
  int refused_ = 0, moved_ = 0;
  Trouble trouble_ = Trouble::none;  // that HTTP/1.1 met before the probe
  std::string reason_;
};

}  // namespace millrace::http::client
