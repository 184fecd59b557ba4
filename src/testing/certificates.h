// Certificates for tests of TLS, made on the spot: an authority, and leaves that it signs.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace millrace::testing {

struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};

struct LeafRequest {
  std::vector<std::string> names{};      // DNS names
  std::vector<std::string> addresses{};  // IP addresses
  std::chrono::hours valid_from{-24};    // from now
  std::chrono::hours valid_to{24};
  std::string digest{"SHA256"};  // that its signature is of
  int below = 0;  // so many authorities between it and the one that is asked; shown with it
};

class CertificateAuthority {
 public:
  explicit CertificateAuthority(std::string common_name = "Test Authority");
  ~CertificateAuthority();
  std::string const& certificate_pem() const { return pem_; }
  Certificate leaf(LeafRequest const& request) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string pem_;
};

// Signed by itself.
Certificate self_signed(LeafRequest const& request);

// A folder of its own that goes with the object.
class TemporaryFiles {
 public:
  TemporaryFiles();
  ~TemporaryFiles();
  TemporaryFiles(TemporaryFiles const&) = delete;
  TemporaryFiles& operator=(TemporaryFiles const&) = delete;
  std::string write(std::string const& name, std::string const& content) const;  // gives the path
  std::string const& folder() const { return folder_; }

 private:
  std::string folder_;
};

}  // namespace millrace::testing
