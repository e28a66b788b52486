#include "db/token_cipher.h"

#include <openssl/evp.h>

#include <mutex>
#include <new>

#include "base/check.h"

namespace ringdrop::db {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

}  // namespace

struct TokenCipher::Direction {
  Direction(std::string_view key, int encrypts) : context(EVP_CIPHER_CTX_new()) {
    if (!context) throw std::bad_alloc();
    const auto* const bytes = reinterpret_cast<const unsigned char*>(key.data());
    CHECK_THAT(EVP_CipherInit_ex(context.get(), EVP_aes_256_ecb(), nullptr, bytes, nullptr, encrypts) == 1);
    CHECK_THAT(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
  }

  std::mutex mutex;
  Context context;
};

TokenCipher::TokenCipher(std::string_view key) {
  CHECK_THAT(key.size() == kKeyBytes);
  encrypting_ = std::make_unique<Direction>(key, 1);
  decrypting_ = std::make_unique<Direction>(key, 0);
}

TokenCipher::~TokenCipher() = default;

TokenCipher::Block TokenCipher::run(Direction& direction, const Block& in) {
  const std::lock_guard lock(direction.mutex);
  Block out;
  int written = 0;
  CHECK_THAT(EVP_CipherUpdate(direction.context.get(), out.data(), &written, in.data(), static_cast<int>(in.size())) ==
             1);
  CHECK_THAT(written == static_cast<int>(out.size()));
  return out;
}

TokenCipher::Block TokenCipher::encrypt(const Block& plain) const {
  return run(*encrypting_, plain);
}

TokenCipher::Block TokenCipher::decrypt(const Block& secret) const {
  return run(*decrypting_, secret);
}

}  // namespace ringdrop::db
