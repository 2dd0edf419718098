"""Rules that hold for any publisher, in order of precedence. What one outlet does belongs into its profile."""

from flows.normalize.rules import Region, Rule

_MONTHS = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_MONTHS_ELSEWHERE = (
    r"(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
    r"|Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
    r"|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
    r"|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro"
    r"|يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر)"
)
_DATE = (
    rf"(?:{_MONTHS}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?|\d{{1,2}}(?:st|nd|rd|th)?\s+{_MONTHS}(?:,?\s+\d{{4}})?"
    rf"|\d{{1,2}}\.?\s+(?:de\s+)?{_MONTHS_ELSEWHERE}(?:\s+(?:de\s+)?\d{{4}})?"
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日)"
)
_WEEKDAY = (
    r"(?:(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?\.?,?\s+"
    r"|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag"
    r"|lunes|martes|miércoles|jueves|viernes|sábado|domingo),?\s+(?:le\s+|den\s+)?)?"
)
_TIME = (
    r"(?:[T\s,|·•–-]*(?:at\s+|à\s+|um\s+|a las\s+)?\d{1,2}[:.h]\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:[ap]\.?m\.?|Uhr|h)?"
    r"\s*(?:Z|[+-]\d{2}:?\d{2}|\(?[A-Z]{2,5}\)?)?)?"
)
_DATE_LABEL = (
    r"(?:(?:first\s+)?(?:published|posted|updated|last\s+updated|last\s+modified|modified|created|date|dated|issued)"
    r"(?:\s+(?:on|at))?|publié(?:e)?\s+le|mis(?:e)?\s+à\s+jour\s+le|le|veröffentlicht(?:\s+am)?|aktualisiert(?:\s+am)?"
    r"|stand|publicado(?:\s+el)?|actualizado(?:\s+el)?|fecha|发布时间|发布于|更新时间|时间|日期|تاريخ النشر|نشر في)\s*[:：]?\s*"
)
_DATED = rf"(?:{_DATE_LABEL})?{_WEEKDAY}(?:le\s+|den\s+)?{_DATE}{_TIME}"

# A name as bylines write it: words with a capital, joined by particles; or a name in Han, kana or Arabic letters.
_NAME_WORD = r"(?:\p{Lu}[\p{L}\p{M}.'’-]*|(?:de|da|di|del|della|la|le|van|von|der|den|bin|al|el|ben|dos|du|y|e)\b)"
_NAME = rf"\p{{Lu}}[\p{{L}}\p{{M}}.'’-]*(?:\s+{_NAME_WORD}){{0,5}}"
_JOB = (
    r"(?:\s*[,|–—-]\s*(?:[\p{L}&.'’ -]{0,60}?\b(?:reporter|correspondent|editor|writer|staff|columnist|producer|bureau"
    r"|chief|analyst|contributor|news|agency|press|service|times|post|daily|herald|magazine|journal|observer|net|tribune"
    r"|gazette|media|network)\b[\p{L}&.'’ -]{0,40}|\p{Lu}[\p{L}&.'’-]*(?:\s+\p{Lu}[\p{L}&.'’-]*){0,3}))?"
)
_NAMES = rf"{_NAME}(?:\s*(?:,|&|and|und|et|y|e)\s+{_NAME}){{0,6}}"
_BY = (
    r"(?:By|BY|by|Written by|Words by|Story by|Report by|Reported by|Text by|Interview by|Compiled by|Translated by"
    r"|Par|PAR|Von|VON|Por|POR|Di|De|Texte|Texto|Text|Autor|Autorin|Autora|Auteur|Author|Authors)\s*:?\s+"
)

_AGENCY = (
    r"(?:AFP(?: Photo)?|AP(?: Photo| Images)?|Associated Press|Reuters|REUTERS|Getty(?: Images)?|EPA(?:-EFE)?|EFE|dpa|DPA"
    r"|Xinhua|IC [Pp]hoto|Visual China(?: Group)?|VCG|CNS [Pp]hoto|Shutterstock|iStock|Alamy(?: Stock Photo)?|Bloomberg"
    r"|Anadolu(?: Agency)?|ANSA|TASS|Kyodo(?: News)?|Yonhap|PA (?:Media|Wire|Images)|NurPhoto|Zuma(?: Press)?|Unsplash"
    r"|Pexels|Pixabay|Wikimedia Commons|Imago|Sipa(?: USA)?|Magnum Photos|Picture Alliance|UPI|[Ff]ile [Pp]hoto"
    r"|[Cc]ourtesy [Pp]hoto|[Hh]andout(?: [Pp]hoto)?|Adobe Stock|Depositphotos|Rex Features)"
)
_PHOTO = (
    r"(?:photos?|photographs?|photography|image|images|picture|pictures|illustration|graphic|video still|screenshot|foto"
    r"|fotos|bild|abbildung|imagen|fotografía|crédit(?:s)?(?: photo)?|图|图片|图源|图片来源|配图|الصورة|صورة)"
)

GENERAL_RULES: tuple[Rule, ...] = (
    # --- the link or credit line to the original ---
    Rule(
        name="original_link",
        role="source_url",
        pattern=r"(?i)^(?:original(?: (?:article|link|source|url|text|post))?|source(?: url| link)?|link|via|url|article link"
        r"|原文(?:链接|地址)?|来源|出处)\s*[:：]?\s*(?:https?://|www\.)\S+$",
    ),
    Rule(
        name="read_original",
        role="source_url",
        pattern=r"(?i)^(?:read|view|see) (?:the )?(?:full |original |complete )*(?:article|story|text|interview|post|version)?"
        r"\s*(?:at|on|in|from)\s+.{2,80}$",
        max_chars=140,
    ),
    Rule(
        name="read_original",
        role="source_url",
        pattern=r"(?i)\bread the original (?:article|story|text)\b[^.]{0,80}\.?",
        region=Region.EDGE,
        max_chars=400,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=r"(?i)^(?:\W{0,2})(?:this|the|a version of this) (?:article|story|interview|piece|post|essay|column|text|report"
        r"|transcript|commentary|op-ed|feature)\b.{0,40}?\b(?:originally (?:appeared|published|ran)|(?:was|were)"
        r" (?:originally|first) published|(?:was )?first (?:published|appeared)|appeared (?:first|originally)|appeared in"
        r"|is (?:reprinted|reproduced) from|was (?:reprinted|reproduced) from)\b.{0,240}$",
        max_chars=400,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=r"(?i)^(?:originally published|first published|originally appeared|republished|reprinted|reposted)"
        r" (?:by|in|on|at|from|with permission).{2,160}$",
        max_chars=240,
    ),
    Rule(name="bare_link", role="source_url", pattern=r"^https?://\S+$", region=Region.TAIL, max_chars=400),
    # --- who owns the text ---
    Rule(
        name="copyright_line",
        role="rights",
        pattern=r"(?i)^(?:copyright\b.{0,12}(?:©|\(c\)|\d{4})|©|\(c\)\s*(?:copyright|\d{4})).{0,300}$",
        max_chars=400,
    ),
    Rule(
        name="rights_reserved",
        role="rights",
        pattern=r"(?i)^.{0,160}(?:\ball rights reserved\b|alle rechte vorbehalten|tous droits réservés|(?:todos )?los derechos"
        r" reservados|todos los derechos|tutti i diritti riservati|todos os direitos reservados|все права защищены"
        r"|版权所有|جميع الحقوق محفوظة).{0,160}$",
        region=Region.EDGE,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        pattern=r"(?i)^(?:this|the|no part of this|our|unauthori[sz]ed|any) .{0,120}\b(?:reproduc|reprint|republi[sc]|redistribut"
        r"|copied|copying|rewritten|broadcast|reuse|use).{0,100}\b(?:prohibited|forbidden|not permitted|not allowed"
        r"|without (?:\w+ ){0,4}(?:permission|consent|authori[sz]ation|approval))\b.{0,80}$",
        region=Region.EDGE,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        pattern=r"(?i)^(?:this|the) (?:article|story|material|content|text|piece|report|interview)\b.{0,60}\b(?:may not|must not"
        r"|cannot|can not)\b.{0,20}\b(?:be )?(?:published|reproduced|reprinted|republished|copied|broadcast|rewritten"
        r"|redistributed|reposted)\b.{0,160}$",
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        pattern=r"^.{0,60}(?:未经.{0,12}(?:授权|许可|允许)|不得转载|禁止转载|谢绝转载).{0,60}$",
        region=Region.EDGE,
    ),
    Rule(
        name="open_licence",
        role="rights",
        pattern=r"(?i)^.{0,160}\b(?:(?:licen[sc]ed|published|available|released|republished|shared|reused?) (?:\w+ ){0,6}?under"
        r" (?:a |an |the )?(?:creative commons|cc[ -]by|open)|creative commons (?:attribution|licen[sc]e)|CC[ -]BY(?:[ -]\w+)*"
        r" ?\d\.\d|public domain).{0,200}$",
        region=Region.EDGE,
    ),
    Rule(
        name="republishing_terms",
        role="rights",
        pattern=r"(?i)^(?:you (?:may|can|are free to|are welcome to) (?:republish|reprint|share|reuse|copy)|republish (?:this|our)"
        r"|we (?:encourage|allow|welcome) .{0,40}republi|(?:this|our) (?:article|story|content|stories).{0,30}\bmay be"
        r" (?:freely )?(?:republished|reprinted|reproduced|shared|reused)).{0,240}$",
        region=Region.EDGE,
    ),
    # --- how the text was made, whose views it holds ---
    Rule(
        name="edited_interview",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:this|the|our|his|her|their|excerpts from (?:the|this|our)|the following)"
        r" (?:[\w-]+ ){0,3}?(?:interview|conversation|transcript|q&a|discussion|exchange|dialogue|answers|responses|excerpts?)"
        r"\b.{0,80}\b(?:edited|condensed|abridged|shortened|trimmed)\b.{0,120}$",
        max_chars=300,
    ),
    Rule(
        name="labelled_note",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:disclaimer|editor(?:['’]s|s['’]?|ial) note|editors['’] note|correction|clarification|note to"
        r" readers|disclosure|haftungsausschluss|avertissement|aviso legal|编者按|免责声明)\s*[:：.–—-].{2,}$",
        max_chars=1200,
    ),
    Rule(
        name="made_by_machine",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:this|the) (?:\w+ )?(?:article|story|content|text|summary|translation|report|post|brief|page|item"
        r"|digest|headline and summary)\b.{0,40}\b(?:was|were|is|has been)\b.{0,60}\b(?:generated|written|produced|created"
        r"|drafted|translated|summari[sz]ed|compiled|assembled)\b.{0,60}\b(?:artificial intelligence|A\.?I\.?|automat\w+"
        r"|algorithm|language model|machine|chatbot|software)\b.{0,300}$",
        region=Region.EDGE,
    ),
    Rule(
        name="made_by_machine",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:(?:machine|automatically|ai)[- ](?:translated|generated|assisted|written)|(?:generated|written"
        r"|translated|produced|created) (?:by|with|using) (?:artificial intelligence|ai)\b).{0,160}$",
        region=Region.EDGE,
        max_chars=240,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:(?:this|the) (?:article|story|text|interview|piece|report)\b.{0,40}\b(?:was|is|has been) )?"
        r"translated (?:from|into)\b.{2,160}$",
        region=Region.EDGE,
        max_chars=240,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^.{0,80}\b(?:views?|opinions?)\b.{0,80}\b(?:expressed|those of|represents?|reflects?|author(?:['’]s)?"
        r" own|are (?:his|her|their) own|are personal)\b.{0,300}$",
        region=Region.EDGE,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^(?:this|the) article (?:only )?(?:represents|reflects|contains) (?:only )?the (?:personal )?(?:views?"
        r"|opinions?) of\b.{0,200}$",
    ),
    # --- pictures ---
    Rule(
        name="bracketed_credit",
        role="caption",
        pattern=rf"^.{{0,500}}\[[^\[\]]{{0,80}}(?:/|\b){_AGENCY}[^\[\]]{{0,60}}\]\.?$",
    ),
    Rule(
        name="photo_label",
        role="caption",
        pattern=rf"(?i)^(?:file )?{_PHOTO}\s*(?:by|credit|courtesy|caption|source)?\s*[:：/|].{{1,300}}$",
        max_chars=400,
    ),
    Rule(
        name="photo_by",
        role="caption",
        pattern=rf"(?i)^(?:.{{0,400}}[\s.])?[(\[](?:{_PHOTO}|credit|source)\s*(?:by|credit|courtesy|:|/|©|via|from|provided)"
        r"[^()\[\]]{1,120}[)\]]\.?$",
    ),
    Rule(
        name="photo_by",
        role="caption",
        pattern=r"(?i)^(?:photo(?:graph)?s?|pictures?|images?|illustrations?|credits?) (?:by|courtesy(?: of)?|credit)[: ].{2,120}$",
        max_chars=160,
    ),
    Rule(
        name="agency_credit",
        role="caption",
        pattern=rf"^.{{0,500}}(?:[,;/|©–—-]|\bvia|\b[Bb]y|[.!?”\"]|[（(]|：|:)\s*(?:\p{{Lu}}[\p{{L}}.'’ -]{{1,40}}[/,|]\s*)?{_AGENCY}"
        r"(?:\s*(?:/|via)\s*[\p{L} .]{2,40})?\s*[)）]?$",
    ),
    Rule(name="file_photo", role="caption", pattern=r"^FILE\s*(?:[-–—:]|PHOTO\b).{10,500}$"),
    # --- invitations ---
    Rule(
        name="newsletter_invitation",
        role="newsletter",
        pattern=r"(?i)^(?:sign ?up|subscribe|join|get|receive|want|enter|register|don['’]t miss|stay|never miss|like what)\b.{0,200}"
        r"\b(?:newsletters?|inbox|mailing list|email updates|daily briefing|e-?mail (?:address|alerts)|morning briefing)\b"
        r".{0,160}$",
        max_chars=400,
    ),
    Rule(
        name="newsletter_invitation",
        role="newsletter",
        pattern=r"(?i)^(?:(?:melden|abonnieren) sie.{0,120}newsletter|(?:abonnez|inscrivez)-vous.{0,120}(?:newsletter|lettre)"
        r"|suscr[ií]b\w+.{0,120}(?:bolet[ií]n|newsletter)|iscriviti.{0,120}newsletter|订阅.{0,60}|newsletter sign-?up.{0,60})"
        r".{0,80}$",
        max_chars=300,
    ),
    # --- recommended stories ---
    Rule(
        name="related_heading",
        role="related_links",
        pattern=r"(?i)^(?:read (?:more|also|next)|also read|related(?: (?:stories|articles|coverage|news|content|topics|posts"
        r"|reading|links|video))?|recommended(?: (?:stories|for you|reading|articles))?|more (?:from|on|about|stories|in|news"
        r"|coverage)\b.{0,40}|see also|you (?:may|might) (?:also )?(?:like|be interested in).{0,20}|most (?:read|popular|viewed"
        r"|shared)|trending(?: now)?|top stories|latest (?:news|stories)|in case you missed it|further reading|next (?:up|story)"
        r"|editors?['’]?s? picks?|keep reading|what to read next|à lire aussi|lire aussi|lesen sie auch|mehr zum thema"
        r"|lea también|le puede interesar|相关阅读|相关新闻|推荐阅读|延伸阅读|اقرأ أيضا|اقرأ أيضًا)\s*(?:[:：|»›>–—-].{0,240})?$",
        max_chars=320,
    ),
    # --- templates ---
    Rule(
        name="placeholder",
        role="boilerplate",
        pattern=r"(?i)^(?:card image cap|image (?:cap|placeholder|not available)|placeholder(?: text| image)?|lorem ipsum\b.*"
        r"|alt ?text|no image available|loading(?:\.{3}|…)?|undefined|null)$",
        max_chars=300,
    ),
    Rule(
        name="advertisement",
        role="boilerplate",
        pattern=r"(?i)^(?:[-–—*\s]*)(?:advertisements?|advertising|ad|sponsored(?: content| by .{2,60})?|promoted(?: content)?"
        r"|story continues below(?: advertisement)?|article continues (?:below|after).{0,40}|anzeige|werbung|publicité|publicidad"
        r"|广告)(?:[-–—*\s]*)$",
        max_chars=100,
    ),
    Rule(
        name="cookie_notice",
        role="boilerplate",
        pattern=r"(?i)^(?:we|this (?:web)?site|our (?:web)?site|by (?:using|continuing)|accept|manage).{0,160}\bcookies?\b.{0,240}$",
        max_chars=500,
        region=Region.EDGE,
    ),
    Rule(
        name="cookie_notice",
        role="boilerplate",
        pattern=r"(?i)^(?:we use|this (?:web)?site uses|accept(?: all)?|manage) cookies\b.{0,240}$",
        max_chars=300,
    ),
    Rule(
        name="call_to_act",
        role="boilerplate",
        pattern=r"(?i)^(?:share (?:this|on|via|the)\b.{0,80}|click (?:here|the|on)\b.{0,120}|follow (?:us|me)\b.{0,120}|like us\b.{0,80}"
        r"|(?:please )?(?:vote|support (?:us|our|independent)|donate|consider (?:donating|a donation)|leave a comment|tell us"
        r"|have a (?:news )?tip|rate this)\b.{0,160}|what do you think\?.{0,120}|thank(?:s| you) for (?:reading|subscribing).{0,80}"
        r"|download (?:our|the) app\b.{0,120})$",
        region=Region.EDGE,
        max_chars=240,
    ),
    # --- when and where ---
    Rule(
        name="date_line",
        role="dateline",
        pattern=rf"(?i)^[(\[]?{_DATED}(?:\s*[|·•/–—-]\s*{_DATED})*[)\]]?\.?$",
        max_chars=160,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        pattern=rf"^\p{{Lu}}[\p{{Lu}} .'’-]{{2,30}}(?:,\s+\p{{Lu}}[\p{{L}}. ]{{1,24}})?(?:,\s+{_DATE})?\s*(?:[(/]\p{{Lu}}[\p{{L}}&. -]{{1,30}}"
        r"[)/]\s*)?(?:[–—]|--|-\s)",
        max_chars=20_000,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        pattern=rf"^\p{{Lu}}[\p{{L}}.'’-]+(?: \p{{Lu}}[\p{{L}}.'’-]+){{0,3}}(?:,\s+\p{{Lu}}[\p{{L}}. ]{{1,24}})?(?:,\s+{_DATE})?\s*"
        r"[(/]\p{Lu}[\p{L}&. -]{1,30}[)/]\s*(?:[–—]|--|-\s)",
        max_chars=20_000,
    ),
    Rule(
        name="wire_dateline",
        role="dateline",
        pattern=rf"^\p{{Lu}}[\p{{L}}.'’-]+(?: \p{{Lu}}[\p{{L}}.'’-]+){{0,3}},\s+(?:\p{{Lu}}[\p{{L}}. ]{{1,24}},\s+)?{_DATE}\s*(?:[–—]|--|-\s)",
        max_chars=20_000,
    ),
    # --- who wrote it ---
    Rule(
        name="byline_and_date",
        role="dateline",
        pattern=rf"(?i)[|·•–—]\s*{_DATED}$",
        region=Region.EDGE,
        max_chars=200,
    ),
    Rule(name="byline", role="byline", pattern=rf"^[(\[]?{_BY}{_NAMES}{_JOB}\s*[|·•)\]]?$", region=Region.EDGE, max_chars=200),
    Rule(
        name="byline",
        role="byline",
        pattern=r"^(?:作者|记者|撰文|编辑|责任编辑|翻译|编译|来源|文)\s*[:：/|丨]\s*.{1,40}$",
        region=Region.EDGE,
        max_chars=60,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=r"^(?:بقلم|كتب|كتبت|إعداد|تقرير)\s*[:：/]?\s+.{2,60}$",
        region=Region.EDGE,
        max_chars=80,
    ),
    Rule(
        name="credits",
        role="byline",
        pattern=r"^[(\[]?(?:(?:Additional r|R)eporting|Writing|Editing|Edited|Compiled|Translated|Translation|Written)"
        r"(?: and (?:writing|editing|reporting))? by\s+\p{Lu}.{2,200}$",
        region=Region.TAIL,
        max_chars=300,
    ),
    # --- page furniture ---
    Rule(
        name="counter",
        role="navigation",
        pattern=r"(?i)^(?:[\d.,]+\s?[km]?\s*(?:comments?|views?|shares?|likes?|reads?|votes?|followers?|replies|reactions|次阅读"
        r"|评论)|(?:comments?|views?|shares?|likes?)\s*[:(]?\s*[\d.,]+\)?|(?:[\d.]+|one|two|three|four|five|ten)[ -]*(?:min|minute|mins"
        r"|minutes)s?[ .-]*(?:read|listen|watch)?|(?:estimated )?reading time\s*:?.{1,20}|[\d:]{4,8}\s*/\s*[\d:]{4,8}|--:--"
        r"|(?:no|leave a|add a|post a) comments?(?: yet)?)$",
        max_chars=60,
    ),
    Rule(
        name="control",
        role="navigation",
        pattern=r"(?i)^(?:home|menu|search|skip to (?:main |the )?content|skip navigation|log ?in|log ?out|sign ?in|subscribe|share"
        r"|print(?: this(?: article| page)?)?|comments?|listen(?: to (?:this )?(?:article|story))?|play|pause|mute|close|back to top|top|next|previous|save|saved|bookmark|facebook"
        r"|twitter|x|linkedin|whatsapp|telegram|reddit|instagram|youtube|email|e-mail|copy link|link copied|toggle navigation|show more"
        r"|load more|view all|see all|all sections|register|my account|watch live|live|continue reading|gift article|font size|a\+|a-"
        r"|登录|首页|分享|打印|搜索|menü|startseite|accueil|inicio|partager|teilen|compartir|الرئيسية|مشاركة)$",
        max_chars=60,
    ),
    Rule(
        name="menu",
        role="navigation",
        pattern=r"^(?:[^|•·>›»/]{1,28}?\s*(?:[|•·>›»]|\s/\s)\s*){2,}[^|•·>›»]{1,40}$",
        region=Region.EDGE,
        max_chars=300,
    ),
    Rule(
        name="site_links",
        role="navigation",
        pattern=r"(?i)^.{0,80}\b(?:terms (?:of (?:use|service)|and conditions|& conditions)|privacy (?:policy|notice)|cookie policy"
        r"|contact us|about us|advertise with us|site ?map|impressum|datenschutz|mentions légales|aviso de privacidad)\b.{0,120}$",
        region=Region.EDGE,
        max_chars=200,
    ),
    Rule(
        name="weather",
        role="navigation",
        pattern=r"^[^.!?]{0,60}[+-]?\d{1,3}\s?°\s?[CF]?\b[^.!?]{0,40}$",
        region=Region.HEAD,
        max_chars=100,
    ),
    Rule(name="separator", role="other", pattern=r"^[\p{P}\p{S}\s]{3,}$", max_chars=120),
    Rule(name="end_mark", role="other", pattern=r"(?i)^(?:#{1,3}|-30-|\(?ends\)?|end of (?:article|story)|—\s*end\s*—)$", max_chars=40),
)
