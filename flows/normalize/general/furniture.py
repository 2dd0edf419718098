"""Rules for page headers and footers, menus, counters and players."""

from flows.normalize.rules import Region, Rule

_SECTION = (
    r"(?:News|Sports?|Business|World|Politics|Opinion|Culture|Contact|About|Videos?|Podcasts?|Tech|Science|Travel|Archive"
    r"|Blog|Shop|NEWS|SPORTS?|BUSINESS|WORLD|POLITICS|OPINION)"
)

# Buttons and labels of pages, whole lines in any case.
_CONTROLS = (
    r"home|menu|search|skip to (?:main |the )?content|skip navigation|toggle navigation|back to top|top|next|previous",
    r"log ?in|log ?out|sign ?in|register|my account|subscribe|all sections|view all|see all",
    r"share|share full article|teilen|partager|compartir|copy link|link copied|gift article|font size|a\+|a-",
    r"print(?: this(?: article| page)?)?|save|saved|bookmark|add to (?:reading list|favou?rites|bookmarks)",
    r"facebook|twitter|x|linkedin|whatsapp|telegram|reddit|instagram|youtube|threads|bluesky|mastodon|pinterest|tiktok",
    r"flipboard|messenger|email|e-mail|add as (?:a )?preferred source on google",
    r"listen(?: to (?:this )?(?:article|story))?|listen on .{2,60}|play|pause|mute|close|watch live|live",
    r"refresh for .{2,40}|show key events.{0,10}|show more|load (?:more|older).{0,20}|continue reading",
    r"comments?|comments are closed\.?|join the (?:conversation|discussion)|be the first to comment\.?|sort by.{0,30}",
    r"about the authors?|menü|startseite|accueil|inicio",
    r"登录|首页|分享|打印|搜索|الرئيسية|مشاركة",
)

READER_TOOL_RULES = (
    Rule(name="reader_tools", role="navigation", pattern=r"^(?:字号|字体|分享到|分享至|打印).{0,30}$", max_chars=40),
)

FURNITURE_RULES = (
    Rule(
        name="counter",
        role="navigation",
        pattern=r"(?i)^(?:[\d.,]+\s?[km]?\s*(?:comments?|views?|shares?|likes?|reads?|votes?|followers?|replies"
        r"|reactions|次阅读|评论)|(?:comments?|views?|shares?|likes?)\s*[:(]?\s*[\d.,]+\)?"
        r"|(?:[\d.]+|one|two|three|four|five|ten)[ -]*(?:min|minute|mins|minutes)s?[ .-]*(?:read|listen|watch)?"
        r"|\d+ of \d+|temps de lecture\s*:.{1,20}|lesezeit\s*:?.{1,20}|tiempo de lectura\s*:?.{1,20}"
        r"|(?:estimated )?reading time\s*:?.{1,20}|[\d:]{4,8}\s*/\s*[\d:]{4,8}|--:--"
        r"|(?:no|leave a|add a|post a) comments?(?: yet)?"
        r"|(?:view|show|read|see|jump to)(?: all)?(?: [\d,]+)? comments?(?: \([\d,]+\))?)$",
        max_chars=60,
    ),
    Rule(name="control", role="navigation", pattern=rf"(?i)^(?:{'|'.join(_CONTROLS)})$", max_chars=60),
    Rule(
        name="menu",
        role="navigation",
        pattern=r"^(?:[^|•·>›»/]{1,28}?\s*(?:[|•·>›»]|\s/\s)\s*){2,}[^|•·>›»]{1,40}$",
        region=Region.EDGE,
        max_chars=300,
    ),
    Rule(
        name="breadcrumb",
        role="navigation",
        pattern=r"^\p{Lu}[\p{L}&]+(?: \p{L}[\p{L}&]*){0,2}\s*[|/>›»]\s*"
        r"\p{Lu}[\p{L}&]+(?: \p{L}[\p{L}&]*){0,2}$",
        region=Region.HEAD,
        max_chars=50,
    ),
    Rule(
        name="menu",
        role="navigation",
        pattern=r"(?i)^(?:(?:home|startseite|accueil|inicio|homepage|menu|首页|الرئيسية)\s*[/|•·>›»]"
        r"|(?:startseite|homepage|首页|الرئيسية)\s+\p{L}).+$",
        region=Region.HEAD,
        max_chars=240,
    ),
    Rule(
        name="menu",
        role="navigation",
        pattern=rf"^(?:Home|Menu|HOME|MENU)\s.*\b{_SECTION}\b.*\b{_SECTION}\b.*$",
        region=Region.HEAD,
        max_chars=240,
    ),
    # What is left of a line whose byline and date were cut out: "in Household, Software · 6 comments".
    Rule(
        name="filed_under",
        role="navigation",
        pattern=r"^(?:in|under|filed under) .{2,80}[·•|] *\d+ (?:comments?|replies|views?)$",
        region=Region.HEAD,
        max_chars=120,
    ),
    Rule(
        name="filed_under",
        role="navigation",
        pattern=r"(?i)^(?:filed under|tags?|topics?|categor(?:y|ies)|section|keywords|schlagwörter|标签|关键词)"
        r"\s*[:：].+$",
        max_chars=200,
    ),
    Rule(
        name="pager",
        role="navigation",
        pattern=r"(?i)^(?:[←‹«<]+\s*.{0,100}|.{0,100}\s*[→›»>]+"
        r"|(?:older|newer|previous|next) (?:posts?|stor(?:y|ies)|articles?)\b.{0,80}|powered by .{2,60})$",
        region=Region.EDGE,
        max_chars=120,
    ),
    Rule(
        name="site_links",
        role="navigation",
        needs=(
            "terms",
            "privacy",
            "cookie policy",
            "contact us",
            "about us",
            "advertise with us",
            "site map",
            "sitemap",
            "impressum",
            "datenschutz",
            "mentions légales",
            "aviso de privacidad",
        ),
        pattern=r"(?i)^.{0,80}\b(?:terms (?:of (?:use|service)|and conditions|& conditions)|privacy (?:policy|notice)"
        r"|cookie policy|contact us|about us|advertise with us|site ?map|impressum|datenschutz|mentions légales"
        r"|aviso de privacidad)\b.{0,120}$",
        region=Region.TAIL,
        max_chars=200,
    ),
    Rule(name="time_code", role="navigation", pattern=r"^\[\d{1,2}:\d{2}(?::\d{2})?\]", max_chars=20_000),
    Rule(
        name="issue",
        role="navigation",
        pattern=r"(?i)^(?:issue|volume|vol\.?|no\.|number|nr\.|ausgabe|numéro) \d+\b.{0,40}$",
        region=Region.HEAD,
        max_chars=60,
    ),
    Rule(
        name="menu",
        role="navigation",
        pattern=r"(?i)^(?:главная|новости)(?:\s+\p{L}+){1,12}$",
        region=Region.HEAD,
        max_chars=120,
    ),
    Rule(
        name="weather",
        role="navigation",
        needs=("°",),
        pattern=r"^(?:[\p{L} .'’-]{2,30}\s*[|,:•·–-]\s*)?[+-]?\d{1,3}\s?°(?:\s?[CF]\b)?[^.!?]{0,30}$",
        region=Region.HEAD,
        max_chars=80,
    ),
)

MARK_RULES = (
    Rule(
        name="slug",
        role="other",
        pattern=r"^\p{Lu}{2,}(?:-\p{Lu}+)+(?: \([^()]*\))?$",
        region=Region.HEAD,
        max_chars=60,
    ),
    Rule(name="separator", role="other", pattern=r"^[\p{P}\p{S}\s]{3,}$", max_chars=120),
    Rule(
        name="end_mark",
        role="other",
        pattern=r"(?i)^(?:#{1,3}|-30-|\(?ends\)?|end of (?:article|story)|—\s*end\s*—)$",
        max_chars=40,
    ),
)
