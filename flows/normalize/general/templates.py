"""Rules for invitations, recommended stories, and the template texts around them."""

from flows.normalize.rules import Region, Rule

NEWSLETTER_RULES = (
    Rule(
        name="newsletter_invitation",
        role="newsletter",
        pattern=r"(?i)^(?:(?:enjoy|like|love|want)\w*\b[^.!?]{0,60}\?\s*)?(?:sign ?up|subscribe|join|get|receive|want"
        r"|enter|register|don['’]t miss|stay|never miss|like what|by signing up|by subscribing)\b.{0,200}"
        r"\b(?:newsletters?|inbox|mailing list|email updates"
        r"|(?:our|your|free) (?:\w+ ){0,2}(?:digest|briefing)|e-?mail (?:address|alerts)|must-read"
        r"|privacy policy)\b.*$",
        max_chars=400,
    ),
    Rule(
        name="newsletter_form",
        role="newsletter",
        needs=("mail", "recevez", "newsletter", "jetzt"),
        pattern=r"(?i)^(?:(?:your |enter your )?e-?mail(?: address)?|.{0,120}\benter your e-?mail\b.{0,120}"
        r"|recevez .{0,160}|(?:the |our )?newsletter\b[^.!?]{0,60}|.{0,100}\bjetzt (?:kostenlos )?anmelden[.!]?)$",
        max_chars=160,
    ),
    Rule(
        name="newsletter_invitation",
        role="newsletter",
        pattern=r"(?i)^(?:(?:melden|abonnieren) sie.{0,120}newsletter|(?:abonnez|inscrivez)-vous.{0,120}"
        r"(?:newsletter|lettre)|suscr[ií]b\w+.{0,120}(?:bolet[ií]n|newsletter)|iscriviti.{0,120}newsletter|订阅.{0,60}"
        r"|newsletter sign-?up.{0,60}).{0,80}$",
        max_chars=300,
    ),
    Rule(
        name="newsletter_invitation",
        role="newsletter",
        pattern=r"^(?:欢迎|请|扫码|点击)?(?:关注|订阅).{0,40}(?:公众号|微信|微博|客户端|频道).{0,40}$",
        max_chars=100,
    ),
)

_RELATED = (
    r"(?:read (?:more|also|next)|also read|related(?: (?:stories|articles|coverage|news|content|topics|posts|reading"
    r"|links|video))?|recommended(?: (?:stories|for you|reading|articles))?"
    r"|more (?:from|stories|news|coverage)\b.{0,40}"
    r"|more on this (?:story|topic)|see also|you (?:may|might) (?:also )?(?:like|be interested in).{0,20}"
    r"|most (?:read|popular|viewed|shared|active|discussed|commented)|trending(?: now)?|top stories"
    r"|latest (?:news|stories)|popular (?:now|stories|posts|articles)|in case you missed it|further reading"
    r"|next (?:up|story)|up next|editors?['’]?s? (?:picks?|choice)|keep reading|what to read next"
    r"|(?:from )?around the web|promoted stories|à lire aussi|lire aussi|lesen sie auch|mehr zum thema|lea también"
    r"|le puede interesar|leggi anche|leia (?:também|mais)|lees ook|czytaj (?:też|także)|zobacz także"
    r"|читайте также|相关阅读|相关新闻|推荐阅读|延伸阅读|関連記事|관련 ?기사|اقرأ أيض(?:ا|اً|ًا)?)"
)

RELATED_RULES = (
    # The heading of a list: what follows are links.
    Rule(name="related_heading", role="related_links", pattern=rf"(?i)^{_RELATED}\s*[:：|»›>–—-]?$", max_chars=120),
    # A line that is heading and link at once.
    Rule(name="related_line", role="related_links", pattern=rf"(?i)^{_RELATED}\s*[:：|»›>–—-].+$", max_chars=320),
    Rule(
        name="related_heading",
        role="related_links",
        pattern=r"(?i)^more (?:on|about|in)\b.{0,40}$",
        region=Region.TAIL,
        max_chars=60,
    ),
    Rule(
        name="neighbour",
        role="related_links",
        pattern=r"(?i)^[←‹«<]*\s*(?:older|newer|previous|next)(?: (?:posts?|stor(?:y|ies)|articles?))?\s*[:：].{3,}$",
        region=Region.EDGE,
        max_chars=200,
    ),
)

TEMPLATE_RULES = (
    Rule(
        name="placeholder",
        role="boilerplate",
        pattern=r"(?i)^(?:for immediate release|embargoed until.{2,60}|(?:media|press) contacts?:?|card image cap"
        r"|image (?:cap|placeholder|not available)|placeholder(?: text| image)?|lorem ipsum\b.*|alt ?text"
        r"|no image available|loading(?:\.{3}|…)?|undefined|null)$",
        max_chars=300,
    ),
    Rule(
        name="advertisement",
        role="boilerplate",
        pattern=r"(?i)^(?:[-–—*\s]*)(?:advertisements?|advertising|ad|sponsored(?: content| by .{2,60})?"
        r"|promoted(?: content)?|(?:advertisement\s*[-–—:|]\s*)?(?:story|article|text) continues (?:below|after).{0,40}"
        r"|continue reading (?:below|the main story)|skip advertisement"
        r"|anzeige|werbung|publicité|publicidad|广告)(?:[-–—*\s]*)$",
        max_chars=100,
    ),
    Rule(
        name="cookie_notice",
        role="boilerplate",
        needs=("cookie",),
        pattern=r"(?i)^.{0,100}\bcookies?\b.{0,100}$",
        region=Region.HEAD,
        max_chars=120,
    ),
    Rule(
        name="cookie_notice",
        role="boilerplate",
        needs=("cookie",),
        pattern=r"(?i)^(?:we|this (?:web)?site|our (?:web)?site|by (?:using|continuing)|accept|manage)\b.{0,120}"
        r"\b(?:us(?:e|es|ing)|accept|agree|consent|manage|store)\b.{0,120}\bcookies?\b.*$",
        max_chars=500,
        region=Region.EDGE,
    ),
    Rule(
        name="cookie_notice",
        role="boilerplate",
        pattern=r"(?i)^(?:(?:we use|this (?:web)?site uses|accept(?: all)?|reject(?: all)?|manage) cookies\b.*"
        r"|we (?:value|respect) your privacy\b.*)$",
        max_chars=300,
    ),
    Rule(
        name="paywall",
        role="boilerplate",
        pattern=r"(?i)^(?:you (?:have|['’]ve) (?:read|used|reached).{0,60}(?:free|articles?|limit)"
        r"|this (?:article|story|content) is (?:for|only for|reserved for) subscribers|subscribe (?:now|today)"
        r"|already a (?:subscriber|member)\?|to continue reading).*$",
        max_chars=300,
    ),
    Rule(
        name="call_to_act",
        role="boilerplate",
        pattern=r"(?i)^(?:have your say\b.{0,120}|follow\b.{0,60}:|share (?:this|on|via|the)\b.{0,80}"
        r"|click (?:here|the|on)\b.{0,120}|follow (?:us|me)\b.{0,120}|like us\b.{0,80}"
        r"|(?:please )?(?:vote (?:here|now|for|in|up|down|below)|support (?:us|our|independent)|donate"
        r"|consider (?:donating|a donation)|leave a comment|tell us|have a (?:news )?tip|got a tip|get in touch"
        r"|rate this)\b.{0,160}|what do you think\?.{0,120}|thank(?:s| you) for (?:reading|subscribing).{0,80}"
        r"|download (?:our|the) app\b.{0,120})$",
        region=Region.TAIL,
        max_chars=240,
    ),
    Rule(
        name="call_to_act",
        role="boilerplate",
        pattern=r"(?i)^(?:click here\b.{0,120}|share this (?:article|story|post|page)\b.{0,40}"
        r"|follow us (?:on|at)\b.{0,80})$",
        region=Region.EDGE,
        max_chars=160,
    ),
    Rule(
        name="player_notice",
        role="boilerplate",
        pattern=r"(?i)^(?:your browser does not support\b.{0,80}|(?:please )?enable javascript\b.{0,120}"
        r"|to (?:view|play|watch) this (?:video|content),? .{0,40}\b(?:javascript|cookies|browser)\b.{0,80}"
        r"|this (?:video|content|audio) (?:can ?not|could not|is not available).{0,80})$",
        max_chars=200,
    ),
)
