// Endpoints that speak HTTP/2 in bad faith: one ask meets each, then the host turns good and is asked again.
#include <functional>
#include <ostream>

#include "http_client/http2_fixture.h"
#include "testing/allocations.h"

namespace millrace::http::client {
namespace {

using namespace std::chrono_literals;
using namespace testing::h2;
using ::testing::HasSubstr;
using testing::Http2Host;
using testing::Http2Peer;
using testing::Http2Request;

constexpr std::uint64_t mebibyte = 1 << 20;

enum class Later : std::uint8_t {
  same,   // the connection carries the next ask
  fresh,  // that is closed; the next ask opens another
  http1,  // HTTP/2 is not used for a while
};

struct Hostile {
  std::string name;
  // Said when a request's header block has come; %: the request's stream.
  std::function<void(Http2Peer&, std::uint32_t)> script;
  Trouble trouble = Trouble::protocol;
  int status = 0;
  std::string reason{};
  Later later = Later::same;
  Duration took = 0s;          // at most a tick more
  std::uint64_t bytes = 4096;  // that the endpoint gets rid of, at most
};
void PrintTo(Hostile const& hostile, std::ostream* out) { *out << hostile.name; }

class Http2HostileTest : public Http2Test, public ::testing::WithParamInterface<Hostile> {
 protected:
  // What the network holds beside what the client took.
  static constexpr std::uint64_t in_pipes = 256 * 1024;
};

TEST_P(Http2HostileTest, hurts_its_own_ask_alone) {
  auto const& hostile = GetParam();
  host.on_head = [&](Http2Peer& peer, Http2Request& request) { hostile.script(peer, request.id); };

  auto const held = testing::bytes_allocated();
  testing::forget_most_bytes();
  auto const [answer, took] = finished_ask();
  auto const most = testing::most_bytes_allocated() - held;

  EXPECT_EQ(answer.trouble, hostile.trouble) << answer.reason;
  EXPECT_EQ(answer.status, hostile.status);
  EXPECT_THAT(answer.reason, HasSubstr(hostile.reason));
  EXPECT_EQ(answer.reason.empty(), answer.trouble == Trouble::none && hostile.reason.empty())
      << answer.reason;
  EXPECT_FALSE(answer.resent);
  EXPECT_LE(answer.body.size(), 64U * 1024);
  std::size_t headers = 0;
  for (auto const& [name, value] : answer.headers) headers += name.size() + value.size();
  EXPECT_LE(headers, 16U * 1024);
  EXPECT_GE(took, hostile.took);
  EXPECT_LE(took, hostile.took + 100ms);
  // The connection, the host's side of it, and what the network holds.
  EXPECT_LE(most, mebibyte);

  ASSERT_EQ(host.peers.size(), 1U);
  EXPECT_LE(host.peers[0]->written(), hostile.bytes + (hostile.bytes > 4096 ? in_pipes : 0));

  answer_well(host);
  auto const [again, took_again] = finished_ask("good");

  EXPECT_EQ(again.trouble, Trouble::none) << again.reason;
  EXPECT_EQ(again.body, "good");
  EXPECT_EQ(took_again, 0s);
  EXPECT_FALSE(again.resent);
  EXPECT_EQ(again.http2, hostile.later != Later::http1);
  EXPECT_EQ(host.connections.size(), hostile.later == Later::same ? 1U : 2U);
  EXPECT_EQ(host.peers[0]->is_over(), hostile.later != Later::same);
  EXPECT_EQ(host.open(), 1U);
  EXPECT_EQ(client->open_connections(), 1U);
}

// What says something once.
template <class Text>
auto says(Text text) {
  return [text](Http2Peer& peer, std::uint32_t id) { peer.say(text(id)); };
}
// What says something for ever.
template <class Text>
auto floods(Text text) {
  return [text](Http2Peer& peer, std::uint32_t id) { peer.say_for_ever(text(id)); };
}

std::string ok() { return status("200"); }
// A header block of any size, as HEADERS and CONTINUATION.
std::string split(std::uint32_t id, std::string_view block, std::size_t each = 16 * 1024) {
  auto text = frame(Type::headers, end_stream, id, block.substr(0, each));
  for (auto at = each; at < block.size(); at += each)
    text += frame(Type::continuation, 0, id, block.substr(at, each));
  return text + frame(Type::continuation, end_headers, id, "");
}
std::string times(std::size_t count, std::string_view text) {
  std::string result;
  while (count-- > 0) result += text;
  return result;
}
// A whole answer, whose head is said to be bad.
auto answers(std::string const& block) {
  return says([=](std::uint32_t id) { return headers(id, block, true); });
}

std::vector<Hostile> resets() {
  std::vector<Hostile> all;
  for (std::uint32_t const code : {no_error, protocol_error, internal_error, flow_control_error,
                                   cancel, enhance_your_calm, Code(4711)})
    all.push_back({"rst_before_headers_" + std::to_string(code),
                   says([=](std::uint32_t id) { return rst_stream(id, code); }), Trouble::broken, 0,
                   "stream was reset"});
  for (std::uint32_t const code : {no_error, internal_error, refused_stream, http_1_1_required})
    all.push_back({"rst_within_body_" + std::to_string(code), says([=](std::uint32_t id) {
                     return headers(id, ok()) + data(id, "abc") + rst_stream(id, code);
                   }),
                   Trouble::none, 200, "reset the stream within the body"});
  all.push_back({"rst_refused_behind_an_interim_answer", says([](std::uint32_t id) {
                   return headers(id, status("103")) + rst_stream(id, refused_stream);
                 }),
                 Trouble::broken, 0, "stream was reset"});
  all.push_back({"answers_before_the_request_is_read", says([](std::uint32_t id) {
                   return headers(id, ok(), true) + rst_stream(id, no_error);
                 }),
                 Trouble::none, 200});
  all.push_back({"rst_twice", says([](std::uint32_t id) {
                   return rst_stream(id, cancel) + rst_stream(id, cancel);
                 }),
                 Trouble::broken, 0, "stream was reset"});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Reset, Http2HostileTest, ::testing::ValuesIn(resets()),
                         [](auto const& info) { return info.param.name; });

std::vector<Hostile> heads() {
  std::vector<Hostile> all;
  auto const bad = [&](std::string name, std::string const& block, std::string reason = "") {
    all.push_back({std::move(name), answers(block), Trouble::protocol, 0, std::move(reason)});
  };
  bad("status_0", status("0"));
  bad("status_099", status("099"));
  bad("status_20", status("20"));
  bad("status_2000", status("2000"));
  bad("status_of_letters", status("2OO"));
  bad("status_signed", status("+20"));
  bad("status_empty", status(""));
  bad("status_missing", literal("server", "x"));
  bad("status_twice", ok() + status("204"));
  bad("status_behind_a_header", literal("server", "x") + ok());
  bad("switching_protocols", status("101"));
  bad("interim_as_the_end", status("103"));
  bad("name_in_capitals", ok() + literal("Server", "x"));
  bad("name_empty", ok() + literal("", "x"));
  bad("name_with_a_space", ok() + literal("a b", "x"));
  bad("pseudo_header_of_requests", ok() + literal(":path", "/"));
  bad("pseudo_header_unknown", ok() + literal(":colour", "blue"));
  bad("value_with_NUL", ok() + literal("x", std::string_view("a\0b", 3)));
  bad("value_with_a_line", ok() + literal("x", "a\r\nset-cookie: b"));
  bad("connection_header", ok() + literal("connection", "close"));
  bad("transfer_encoding", ok() + literal("transfer-encoding", "chunked"));
  bad("length_of_letters", ok() + literal("content-length", "ten"));
  bad("length_negative", ok() + literal("content-length", "-1"));
  bad("length_twice", ok() + literal("content-length", "0") + literal("content-length", "1"));
  bad("length_giant", ok() + literal("content-length", "99999999999999999999"));
  bad("interim_flood_of_17", "");
  all.back().script = says([](std::uint32_t id) {
    return times(17, headers(id, status("103"))) + headers(id, ok(), true);
  });
  all.back().reason = "16 interim";
  all.push_back({"headers_of_100_KiB", says([](std::uint32_t id) {
                   return split(id, ok() + times(100, literal("x", std::string(1024, 'x'))));
                 }),
                 Trouble::none, 200, "odd headers: the headers are larger than 64 KiB"});
  all.back().bytes = mebibyte;
  bad("HPACK_bomb", "", "64 KiB");
  all.back().script = says([](std::uint32_t id) {
    return headers(id, ok() + stored("x", std::string(4000, 'x')) + times(12'000, indexed(62)),
                   true);
  });
  all.back().bytes = mebibyte;
  bad("HPACK_bomb_in_continuations", "", "64 KiB");
  all.back().script = says([](std::uint32_t id) {
    return split(id, ok() + stored("x", std::string(4000, 'x')) + times(100'000, indexed(62)));
  });
  all.back().bytes = mebibyte;
  all.push_back({"status_999", answers(status("999")), Trouble::none, 999});
  all.push_back({"redirect",
                 answers(status("302") + literal("location", "http://169.254.169.254/")),
                 Trouble::none, 302});
  all.push_back({"interim_16", says([](std::uint32_t id) {
                   return times(16, headers(id, status("103"))) + headers(id, ok(), true);
                 }),
                 Trouble::none, 200});
  all.push_back({"headers_of_40_KiB", says([](std::uint32_t id) {
                   return split(id, ok() + times(40, literal("x", std::string(1000, 'x'))));
                 }),
                 Trouble::none, 200, "", Later::same, 0s, mebibyte});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Head, Http2HostileTest, ::testing::ValuesIn(heads()),
                         [](auto const& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Body, Http2HostileTest,
    ::testing::Values(
        Hostile{"endless",
                [](Http2Peer& peer, std::uint32_t id) {
                  peer.say(headers(id, ok()));
                  peer.say_for_ever(data(id, std::string(4096, 'x')), 128 * 1024);
                },
                Trouble::none, 200, "large body", Later::same, 0s, mebibyte},
        Hostile{"unfinished",
                says([](std::uint32_t id) { return headers(id, ok()) + data(id, "a"); }),
                Trouble::none, 200, "slow body", Later::same, 15s},
        Hostile{"longer_than_its_length", says([](std::uint32_t id) {
                  return headers(id, ok() + literal("content-length", "2")) +
                         data(id, "hello", true);
                }),
                Trouble::none, 200, "bad framing"},
        Hostile{"shorter_than_its_length", says([](std::uint32_t id) {
                  return headers(id, ok() + literal("content-length", "9")) +
                         data(id, "hello", true);
                }),
                Trouble::none, 200, "bad framing"},
        Hostile{"none_though_a_length", answers(ok() + literal("content-length", "9")),
                Trouble::protocol, 0, ""},
        Hostile{"of_204", says([](std::uint32_t id) {
                  return headers(id, status("204")) + data(id, "hello", true);
                }),
                Trouble::none, 204, "bad framing"},
        Hostile{"with_trailers", says([](std::uint32_t id) {
                  return headers(id, ok()) + data(id, "hello") +
                         headers(id, literal("x-sum", "1"), true);
                }),
                Trouble::none, 200},
        Hostile{"with_trailers_that_do_not_end_it", says([](std::uint32_t id) {
                  return headers(id, ok()) + data(id, "hello") + headers(id, literal("x", "1"));
                }),
                Trouble::none, 200, "bad framing"},
        Hostile{"with_a_status_in_its_trailers", says([](std::uint32_t id) {
                  return headers(id, ok()) + data(id, "hello") + headers(id, status("500"), true);
                }),
                Trouble::none, 200, "bad framing"},
        Hostile{"after_frames_of_other_standards", says([](std::uint32_t id) {
                  return frame(Type(0xaa), 0xff, id, "?") +
                         frame(Type(10), 0, 0, std::string("\0\0h2=\":1\"", 9)) +
                         frame(Type(12), 0, 0, "") + testing::h2::settings({{0xabcd, 1}}) +
                         headers(id, ok(), true);
                }),
                Trouble::none, 200},
        Hostile{"padded", says([](std::uint32_t id) {
                  return headers(id, ok()) +
                         frame(Type::data, padded | end_stream, id, "\x03hello---");
                }),
                Trouble::none, 200}),
    [](auto const& info) { return info.param.name; });

// Says it, and nothing more: no windows, either.
auto says_at_last(std::string (*text)(std::uint32_t)) {
  return [text](Http2Peer& peer, std::uint32_t id) {
    peer.credits = false;
    peer.say(text(id));
  };
}

INSTANTIATE_TEST_SUITE_P(
    Time, Http2HostileTest,
    ::testing::Values(Hostile{"silence", says_at_last([](std::uint32_t) { return std::string(); }),
                              Trouble::timeout, 0, "no answer", Later::fresh, 15s},
                      Hostile{"headers_never_finished", says_at_last([](std::uint32_t id) {
                                return frame(Type::headers, 0, id, ok());
                              }),
                              Trouble::timeout, 0, "not complete in time", Later::fresh, 15s},
                      Hostile{"frame_never_finished", says_at_last([](std::uint32_t id) {
                                return headers(id, ok(), true).substr(0, 9);
                              }),
                              Trouble::timeout, 0, "no answer", Later::fresh, 15s},
                      Hostile{"interim_answers_alone",
                              says([](std::uint32_t id) { return headers(id, status("103")); }),
                              Trouble::timeout, 0, "not complete in time", Later::fresh, 15s},
                      Hostile{"pings_alone", says([](std::uint32_t) { return ping(); }),
                              Trouble::timeout, 0, "no answer", Later::fresh, 15s}),
    [](auto const& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    End, Http2HostileTest,
    ::testing::Values(Hostile{"before_headers",
                              [](Http2Peer& peer, std::uint32_t) { peer.close(); }, Trouble::broken,
                              0, "closed", Later::fresh},
                      Hostile{"within_headers",
                              [](Http2Peer& peer, std::uint32_t id) {
                                peer.say(frame(Type::headers, 0, id, ok()));
                                peer.close_when_said();
                              },
                              Trouble::broken, 0, "closed", Later::fresh},
                      Hostile{"within_body",
                              [](Http2Peer& peer, std::uint32_t id) {
                                peer.say(headers(id, ok()) + data(id, "abc"));
                                peer.close_when_said();
                              },
                              Trouble::none, 200, "within the body", Later::fresh},
                      Hostile{"with_an_error",
                              [](Http2Peer& peer, std::uint32_t id) {
                                peer.say(goaway(id, internal_error, "out of \x1b[31mcoffee"));
                                peer.close_when_said();
                              },
                              Trouble::broken, 0, "INTERNAL_ERROR: out of ?[31mcoffee",
                              Later::fresh},
                      Hostile{"with_an_error_and_open",
                              says([](std::uint32_t id) { return goaway(id, internal_error); }),
                              Trouble::timeout, 0, "no answer", Later::fresh, 15s}),
    [](auto const& info) { return info.param.name; });

std::vector<Hostile> violations() {
  std::vector<Hostile> all;
  auto const bad = [&](std::string name, std::function<std::string(std::uint32_t)> text) {
    all.push_back({std::move(name), says(std::move(text)), Trouble::protocol, 0, "", Later::http1});
  };
  bad("push_promise", [](std::uint32_t id) {
    return frame(Type::push_promise, end_headers, id, std::string("\0\0\0\2", 4) + indexed(2));
  });
  bad("headers_on_a_pushed_stream", [](std::uint32_t) { return headers(2, ok(), true); });
  bad("headers_on_a_stream_not_begun",
      [](std::uint32_t id) { return headers(id + 2, ok(), true); });
  bad("data_on_a_stream_not_begun", [](std::uint32_t id) { return data(id + 2, "abc"); });
  bad("data_on_the_connection", [](std::uint32_t) { return data(0, "abc"); });
  bad("data_before_headers", [](std::uint32_t id) { return data(id, "abc"); });
  bad("continuation_without_headers",
      [](std::uint32_t id) { return frame(Type::continuation, end_headers, id, ok()); });
  bad("ping_within_headers",
      [](std::uint32_t id) { return frame(Type::headers, 0, id, ok()) + ping(); });
  bad("continuation_of_another_stream", [](std::uint32_t id) {
    return frame(Type::headers, 0, id, ok()) + frame(Type::continuation, end_headers, id + 2, "");
  });
  bad("frame_of_17_KiB",
      [](std::uint32_t id) { return headers(id, ok() + literal("x", std::string(17'000, 'x'))); });
  all.back().bytes = 20'000;
  bad("frame_of_17_KiB_within_the_body",
      [](std::uint32_t id) { return headers(id, ok()) + data(id, std::string(17'000, 'x')); });
  all.back().bytes = 20'000;
  all.back().trouble = Trouble::none;
  all.back().status = 200;
  all.back().reason = "within the body";
  bad("frame_said_to_have_16_MiB",
      [](std::uint32_t) { return std::string("\xff\xff\xff\0\0\0\0\0\1", 9); });
  bad("HPACK_junk", [](std::uint32_t id) { return headers(id, "\xff\xff\xff\xff\xff\xff"); });
  bad("HPACK_entry_that_is_not", [](std::uint32_t id) { return headers(id, indexed(99)); });
  bad("HPACK_table_of_1_MiB", [](std::uint32_t id) { return headers(id, "\x3f\xe1\xff\x3f"); });
  bad("HPACK_cut", [](std::uint32_t id) { return headers(id, literal("x", "abc").substr(0, 5)); });
  bad("window_of_the_connection_overflows",
      [](std::uint32_t) { return window_update(0, 0x7fffffff); });
  bad("window_of_the_connection_by_0", [](std::uint32_t) { return window_update(0, 0); });
  bad("initial_window_of_2_GiB",
      [](std::uint32_t) { return testing::h2::settings({{initial_window_size, 0x80000000}}); });
  bad("frame_size_of_1",
      [](std::uint32_t) { return testing::h2::settings({{max_frame_size, 1}}); });
  bad("settings_of_5_bytes", [](std::uint32_t) { return frame(Type::settings, 0, 0, "12345"); });
  bad("settings_on_a_stream", [](std::uint32_t id) { return frame(Type::settings, 0, id, ""); });
  bad("settings_ack_that_was_not_asked_for",
      [](std::uint32_t) { return settings_ack() + settings_ack(); });
  bad("settings_that_allow_push",
      [](std::uint32_t) { return testing::h2::settings({{enable_push, 1}}); });
  bad("ping_of_7_bytes", [](std::uint32_t) { return frame(Type::ping, 0, 0, "1234567"); });
  bad("goaway_on_a_stream",
      [](std::uint32_t id) { return frame(Type::goaway, 0, id, std::string(8, '\0')); });
  bad("rst_on_the_connection", [](std::uint32_t) { return rst_stream(0, cancel); });
  bad("rst_on_a_stream_not_begun", [](std::uint32_t id) { return rst_stream(id + 2, cancel); });
  bad("padding_larger_than_its_frame", [](std::uint32_t id) {
    return frame(Type::data, padded, id,
                 "\xff"
                 "abc");
  });
  bad("junk", [](std::uint32_t) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; });
  bad("window_of_the_stream_by_0", [](std::uint32_t id) { return window_update(id, 0); });
  // These are a stream's own.
  bad("window_of_the_stream_overflows",
      [](std::uint32_t id) { return window_update(id, 0x7fffffff); });
  all.back().later = Later::same;
  bad("initial_window_overflows", [](std::uint32_t id) {
    return window_update(id, 0x7fff0000) +
           testing::h2::settings({{initial_window_size, 0x7fffffff}});
  });
  all.back().later = Later::same;
  all.back().trouble = Trouble::broken;
  return all;
}
INSTANTIATE_TEST_SUITE_P(Violation, Http2HostileTest, ::testing::ValuesIn(violations()),
                         [](auto const& info) { return info.param.name; });

std::vector<Hostile> endless() {
  std::vector<Hostile> all;
  auto const bad = [&](std::string name, std::function<std::string(std::uint32_t)> text) {
    all.push_back({std::move(name), floods(std::move(text)), Trouble::protocol, 0, "", Later::http1,
                   0s, 2 * mebibyte});
  };
  bad("settings", [](std::uint32_t) { return testing::h2::settings({{header_table_size, 100}}); });
  bad("empty_settings", [](std::uint32_t) { return testing::h2::settings(); });
  bad("ping", [](std::uint32_t) { return ping(); });
  bad("ping_acks", [](std::uint32_t) { return ping(true); });
  bad("window_updates", [](std::uint32_t) { return window_update(0, 1); });
  bad("window_updates_of_the_stream", [](std::uint32_t id) { return window_update(id, 1); });
  bad("priorities", [](std::uint32_t id) {
    return frame(Type::priority, 0, id, std::string("\0\0\0\0\x10", 5));
  });
  bad("priorities_of_streams_not_begun", [](std::uint32_t id) {
    return frame(Type::priority, 0, id + 100, std::string("\0\0\0\0\x10", 5));
  });
  bad("unknown_frames", [](std::uint32_t) { return frame(Type(0xaa), 0, 0, "what is this?"); });
  bad("large_unknown_frames",
      [](std::uint32_t) { return frame(Type(0xaa), 0, 0, std::string(16'000, 'x')); });
  bad("interim_answers_of_nothing_new", [](std::uint32_t) { return goaway(0x7fffffff, no_error); });
  bad("rst_of_a_closed_stream", [](std::uint32_t) { return ""; });
  all.back().script = [](Http2Peer& peer, std::uint32_t id) {
    peer.say(rst_stream(id, cancel));
    peer.say_for_ever(rst_stream(id, cancel));
  };
  all.back().trouble = Trouble::broken;
  return all;
}
INSTANTIATE_TEST_SUITE_P(Flood, Http2HostileTest, ::testing::ValuesIn(endless()),
                         [](auto const& info) { return info.param.name; });

}  // namespace
}  // namespace millrace::http::client
