// A key and a token that the openssl command line made (openssl genrsa; openssl dgst -sha256 -sign), for tests only: nothing that
// this room wrote itself.
#pragma once
#include <string_view>

namespace millrace::crypto::fixture {

inline constexpr std::string_view kid = "2026-11-21T19:05:12Z-3fa9";

inline constexpr std::string_view pem = R"(-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQDmPZDyZltmxeQt
ZhoYjhLVYYtDKHPlTkduPFUYP7xQZHx1Dedf+6VpO3TfgWpbejJUBZekcijxT1Bb
uJhzZmmvGIPHQMDKoNbifoMf4Nw5n7t8Lzc5TEo+6fhLjm/Cr0iGR3YtWYSTBrRw
ESFx8HV4iBh5Eu8a9jovuoTEfO3jq+7+X9Tg62TnTsBxRfOnPiSi4YJmUbjbTvUg
sb43Qr4d5A6izGUsWawvZefgLKIFEG/3E3TV3EMlTmb7lox9cqXiAFM+NdfrqNjU
7aC4WFK/zHS404WtJHVBgnJKvWI8VMJILf0x+DWXqavUPEHrVb34r5RpIB4gfiMn
2dC0rEN/AgMBAAECggEACSYXd+JZrcRISbDdxu2s/D343C15KXqfplbkZLxySFmD
Log5Ekcmw/82U4P0zMzBajWiAx6m14E40WQ3k+z/tGhLeDlE+pLt5v3ISmsoz8Cz
9lPOpHVjxTXj2rtpX87k7rJb6k0SfQsjqV5Xj2D9h1Fqc4ktPMuISrQ6fq+eKPvt
OBmdBuKM5Bz9T+5bqQVOauvTytU8VIoJV8ZhWYR4uvCloJNDo4VHhBgwyTHXVyQ+
O5Z9PkkTWL7xQUH1bw85wRzeSZHo6UcgQaSmmi8uw08Jqy980DBkzRmUU29WfSZC
xq5yYJaeRsK0lwtZ7ODHIFClaytIp5D8cWur4s0BdQKBgQD1cX/UobYlqGpOeC1e
AsgXINVrftfgmI4ve1ieXGpvjxHQyO8wscMG2qz2pFsMPLnQsF6svVe07HbwwufV
z4CtJ159gtf5QWYY7c8EXnDaiKK+tCkqq8TrmQEkyAZJGXkBxnA6gUh+Tan3+taS
zTwX5DoYjILYXDnVTdVj/PdlbQKBgQDwJKw/cK4Z38MgomAK5fOHCdzmITGscHYK
Mt4Z4n9ZpGUJHzIJZMoWhiYnR4VQahbiZtRrWgnw66DSMqo40NgFcUkLHfZsTX2p
wgkKqhvOJoDs3cVXDkvUKCohfEKdjYr4RGkQ2tOT1GFATRLypXHgTK2so4M5EUH+
N9qEXMk1GwKBgQDXrGhbe84GwTrIwSl8Vo1kZWGkF82yedtXNdflL+gHJ3zMLgSg
kVOCjl02Ta4Dzsio7JIE0ExlmvPZFCuL4c58WP/a4kLNr/37IdyrRiF8plv7n2wd
Jtre+4/ZtjpvuYZvXOP5ROlisvQMB8rNLLMFe3LhZ3cCj+fx23cLaZoq8QKBgQCj
JJbsZnWw2EZs5kMPRFdkdzveD9D6UFCw7wvaU/imgrutLcdFgHaWRL6o0rrr/Zbc
anWHFN1KEhnok0j3XlJTqDmyVsGxpBdp+4s+9n/7VkciJCvLz8eOM1cj9pIfDSjL
L1adf7xbYt5K29GyjNlHQ3B9p3wfiezmczV91LdQ3wKBgQCcLHsv5CYXxlMWNV7i
5eG/rUnio7DDsA9hyBHeW+fPbUqWIAeWTietexgxnUyjYUkvq/jf5G2gviguJvmd
8TNbPmPyenZCXwRbqE1b20fQmbrMjm91WMhp3Zwh9pjtI54rhd80aEsoeTx9Mh8U
1a/NTqXJUDC7ONNdw+0bqdNVEQ==
-----END PRIVATE KEY-----
)";

inline constexpr std::string_view small_pem = R"(-----BEGIN PRIVATE KEY-----
MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAKndPQywq3bFONUV
sib+KUsmUQOT7P2TCcDwyE3k7f3N+i+9mzsPZJaDQRsupmpJ9EMoiBtm5V2tkHYq
ZvqCBPrJE0ljqBI5ZxtE7LH220Uh4e5u1a7gsYQKsyuXdE7/ut5qlW2pIg6L5VHm
o2GKKSZnfuDydA7SYa9wrUQnhTNZAgMBAAECgYEApnqtxc01D3+19ql/5FV/VSbl
ibMmN1Qv4Ahc2HMBiZmhlb6n8BdjB1z2p1RuR4fZvSRxWSHctJZSGm3uZaCejS5O
ekI/6pGOZG4gc9LRuxeGh+n7/u+jNRomc4UK4F6wxg+hMAsp/O95Hx5Gb19YApmu
t8ih2DOgFB7nDzjtkb0CQQDf9e5PyBY3s/djE3Nzp422TCkpEPMaK5glmyNRHmlk
qsv2f/MWtAU3Ul+kkInloU3lJzVVY6NbK1RaW6H5keWDAkEAwioksvGwcQWpkM02
Oa9l/0LzpqzR8/FPlvIbRa8uVTv3dhVsnvXhuTXmWPX1w0tI2EyHWdw1eokDtOba
uz7I8wJBALVuolT3nygZHzygMVNsVZ1tLZsbJBX7YxJ0D7RTksX+p6VWGjQ2OlOK
4/iJL21bs6MElGxMf7YH8BoTSbDIxMkCQADTmxpj6wNgKcujBAMU2xNOHqlr/OzT
7ynOWA1g5IqaWcBX8QFwPIjEUPm5+lTdgi7hjIX2aQffg3OGtBGt/78CQQDM7HFc
qeR16ZDac7pzOpLMmlr+ieiQF2Q+Go4Mms0aYgT3qGiBeWPj2PozmJ6W9aFk+V/0
bER8A7UjlWGik5+P
-----END PRIVATE KEY-----
)";

inline constexpr std::string_view curve_pem = R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIODGH1psDF35kyAZ1foYPrALkb1X6MYR+s9VgrUOKX3foAoGCCqGSM49
AwEHoUQDQgAEhPJlMU69rsKjLB4gwKygjAExfetTFQGzGqIHydkwga6cYh9Af87+
Is0CykNic/MQM7+Jrg9jbVd7P/4+/5KRLA==
-----END EC PRIVATE KEY-----
)";

// Of `pem`, base64url, from `openssl rsa -modulus`.
inline constexpr std::string_view modulus =
    "5j2Q8mZbZsXkLWYaGI4S1WGLQyhz5U5HbjxVGD-8UGR8dQ3nX_ulaTt034FqW3oyVAWXpHIo8U9QW7iYc2ZprxiDx0"
    "DAyqDW4n6DH-DcOZ-7fC83OUxKPun4S45vwq9Ihkd2LVmEkwa0cBEhcfB1eIgYeRLvGvY6L7qExHzt46vu_l_U4Otk"
    "507AcUXzpz4kouGCZlG42071ILG-N0K-HeQOosxlLFmsL2Xn4CyiBRBv9xN01dxDJU5m-5aMfXKl4gBTPjXX66jY1O"
    "2guFhSv8x0uNOFrSR1QYJySr1iPFTCSC39Mfg1l6mr1DxB61W9-K-UaSAeIH4jJ9nQtKxDfw";

inline constexpr std::string_view claims =
    R"({"metadata":{"event_name":"x"},"body":{},"iss":"https://live-events.canvas.instructure.com","iat":1795287912,"jti":"0192f0c1-0000-7000-8000-000000000001"})";

inline constexpr std::string_view token =
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjIwMjYtMTEtMjFUMTk6MDU6MTJaLTNmYTkifQ.eyJtZXR"
    "hZGF0YSI6eyJldmVudF9uYW1lIjoieCJ9LCJib2R5Ijp7fSwiaXNzIjoiaHR0cHM6Ly9saXZlLWV2ZW50cy5jYW52Y"
    "XMuaW5zdHJ1Y3R1cmUuY29tIiwiaWF0IjoxNzk1Mjg3OTEyLCJqdGkiOiIwMTkyZjBjMS0wMDAwLTcwMDAtODAwMC0"
    "wMDAwMDAwMDAwMDEifQ.Ga4VprWWiUzXF6SPzLu0uz-tJOhxBwtKsWd9UWnAekbzpLmk8_qSHoI2Z3zy6iLFLkLoLW"
    "9gqTFpGY-kjn_AuryDa99RhMHAjpe5BqhEi1iTbcegKyp2v9P6F5jLzH_sjEoLO6_ZmSaMmMtN9Oy_r1XsXSwm7oEb"
    "5SiVF6Vwka03HNjtSRUfrFzrPLB1fU09QC88YZoTVZky1ObUVnRo9KbmfURpHFqeUKQsqvMEm2JGa5G_LPg6fEX-iR"
    "NDjshLbrmbg7De7FJX3WaxFIVNExEJsCTogiTRL6Dwd4j_UlqY8qY5mk-XgdmZInULJ81hgaLXi6KjDxDtGFP3nv79"
    "Bw";

}  // namespace millrace::crypto::fixture
