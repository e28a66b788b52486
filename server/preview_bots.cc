#include "server/preview_bots.h"

#include <algorithm>
#include <array>
#include <string>

namespace ringdrop::server {
namespace {

// A part of the User-Agent, in lower case. Signal calls itself WhatsApp, iMessage facebookexternalhit and Twitterbot.
constexpr std::array<std::string_view, 56> kBots{
    // Messengers and social networks
    "bitlybot",
    "bluesky cardyb",
    "discordbot",
    "embedly",
    "facebookbot",
    "facebookexternalhit",
    "facebot",
    "flipboardproxy",
    "google-pagerenderer",
    "hipchat",
    "iframely",
    "kakaotalk-scrap",
    "line-poker",
    "linkedinbot",
    "mail.ru_bot",
    "mastodon/",
    "matrix-media-repo",
    "mattermost-bot",
    "meta-externalagent",
    "meta-externalfetcher",
    "microsoftpreview",
    "misskey/",
    "odklbot",
    "pinterest",
    "pleroma",
    "redditbot",
    "rocket.chat",
    "skypeuripreview",
    "slack-imgproxy",
    "slackbot",
    "snap url preview",
    "summalybot",
    "synapse",
    "telegrambot",
    "tumblr/",
    "twitterbot",
    "viber",
    "vkshare",
    "whatsapp",
    "xing-contenttabreceiver",
    "zoombot",
    // Search engines and collectors
    "ahrefsbot",
    "applebot",
    "archive.org_bot",
    "baiduspider",
    "bingbot",
    "bingpreview",
    "duckduckbot",
    "googlebot",
    "googleother",
    "gptbot",
    "petalbot",
    "semrushbot",
    "seznambot",
    "yahoo! slurp",
    "yandexbot",
};

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

}  // namespace

bool is_preview_bot(std::string_view user_agent) {
  const std::string lower = in_lower_case(user_agent);
  return std::ranges::any_of(kBots, [&](std::string_view bot) { return lower.find(bot) != lower.npos; });
}

bool is_prefetch(const proto::RequestHead& request) {
  for (const std::string_view name : {"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"}) {
    const std::string purpose = in_lower_case(request.fields.joined(name));
    for (const std::string_view ahead : {"prefetch", "prerender", "preview"}) {
      if (purpose.find(ahead) != purpose.npos) return true;
    }
  }
  return false;
}

}  // namespace ringdrop::server
