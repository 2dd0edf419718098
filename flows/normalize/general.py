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
    r"|(?:الأحد|الاثنين|الإثنين|الثلاثاء|الأربعاء|الخميس|الجمعة|السبت)|lunes|martes|miércoles|jueves|viernes|sábado|domingo),?\s+(?:le\s+|den\s+)?)?"
)
_TIME = (
    r"(?:[T\s,|·•–-]*(?:at\s+|à\s+|um\s+|a las\s+)?\d{1,2}[:.h]\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:[ap]\.?m\.?|Uhr|h)?"
    r"\s*(?:Z|[+-]\d{2}:?\d{2}|\(?[A-Z]{2,5}\)?)?)?"
)
_DATE_LABEL = (
    r"(?:(?:first\s+)?(?:published|posted|updated|last\s+updated|last\s+modified|modified|created|date|dated|issued)"
    r"(?:\s+(?:on|at))?|on|last update|publié(?:e)?\s+le|mis(?:e)?\s+à\s+jour\s+le|le|veröffentlicht(?:\s+am)?|aktualisiert(?:\s+am)?"
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
    r"(?:By|BY|by|Posted by|Published by|Written by|Words by|Story by|Report by|Reported by|Text by|Interview by|Compiled by|Translated by"
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
    r"|fotos|bild|abbildung|imagen|fotografía|crédit(?:s)?(?: photo)?|图|图片|图源|图片来源|配图|الصورة|صورة|تصوير)"
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
        pattern=r"(?i)\bread the original (?:article|story|text)\b(?:[^.]|\.\S){0,200}\.?",
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
        pattern=r"^(?:(?i:copyright)\s*)?(?:©|\([cC]\)|(?i:copyright))\s*(?:(?i:copyright)\s*)?(?:\d{4}|\p{Lu}|\p{Lo}).{0,300}$",
        max_chars=400,
    ),
    Rule(
        name="rights_reserved",
        role="rights",
        pattern=r"^(?:[^.!?]{0,80}(?:©|\([cC]\)|(?i:copyright)|\b(?:19|20)\d{2}\b)?[^!?]{0,80}[.,;|·–—-]\s*)?(?i:all rights reserved|alle"
        r" rechte vorbehalten|tous droits réservés|todos los derechos reservados|reservados todos los derechos|tutti i diritti"
        r" riservati|todos os direitos reservados|все права защищены|版权所有|جميع الحقوق محفوظة).{0,120}$",
        region=Region.EDGE,
        max_chars=300,
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
        pattern=r"^(?:[（(【]?(?:本文|本报|本刊|本网|本站|版权|未经|严禁|禁止|谢绝|©).{0,60})?(?:未经.{0,12}(?:授权|许可|允许)|不得转载|禁止转载"
        r"|谢绝转载).{0,60}$",
        max_chars=160,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"^.{0,30}(?:仅代表|不代表|仅为).{0,20}(?:观点|立场|意见).{0,60}$",
        max_chars=160,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        pattern=r"(?i)^(?:traduit (?:de l['’]|du )|aus dem .{3,20} von|traducido del|traducción del|tradotto dall?['’]?).{2,80}$",
        max_chars=120,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        pattern=r"^[【（(\[]?(?:本文|编译|原文).{0,6}(?:译自|编译自|翻译自).{0,80}$",
        max_chars=160,
    ),
    Rule(
        name="source_and_author",
        role="byline",
        pattern=r"(?:来源|作者|记者|撰文|责任编辑|编辑|翻译|译者)\s*[:：]\s*[^\s:：]{2,20}",
        region=Region.EDGE,
        max_chars=120,
    ),
    Rule(
        name="date_in_line",
        role="dateline",
        pattern=r"^\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日(?:\s*\d{1,2}[:：]\d{2}(?:[:：]\d{2})?)?",
        region=Region.HEAD,
        max_chars=60,
    ),
    Rule(name="reader_tools", role="navigation", pattern=r"^(?:字号|字体|分享到|分享至|打印).{0,30}$", max_chars=40),
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
        pattern=r"(?i)^\W{0,2}(?:the following (?:[\w-]+ ){0,4}?(?:has|have) been (?:\w+ )?(?:edited|condensed|shortened)|(?:this|the|our|his|her|their|excerpts from (?:the|this|our)|the following)"
        r" (?:[\w-]+ ){0,3}?(?:interview|conversation|transcript|q&a|discussion|exchange|dialogue|answers|responses|excerpts?)"
        r"\b.{0,80}\b(?:edited|condensed|abridged|shortened|trimmed)\b).{0,120}$",
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
        name="amended",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}this (?:article|story|post|page|report|entry) (?:was|has been) (?:\w+ )?(?:amended|updated|corrected|changed)\b.{0,300}$",
        max_chars=400,
    ),
    Rule(
        name="interests",
        role="disclaimer",
        pattern=r"(?i)^(?:disclosure statement|forward-looking statements?|.{0,80}\bdo(?:es)? not work for, consult, own shares in\b.{0,300}"
        r"|this (?:press )?release contains (?:forward-looking )?statements\b.{0,400})$",
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^(?:las opiniones|les opinions|die (?:in diesem|hier) .{0,40}meinungen|le opinioni).{0,60}\b(?:responsabilidad|autor|auteurs?"
        r"|autoren|engagent|autori|exclusiva).{0,200}$",
    ),
    Rule(
        name="about_transcript",
        role="disclaimer",
        pattern=r"(?i)^this (?:\w+ )?transcript (?:was|is|has|may|might)\b.{0,300}$",
        max_chars=400,
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
        pattern=r"(?i)^(?:the )?(?:views?|opinions?)(?:,? (?:and|or|thoughts|,) \w+)* expressed (?:in|by|here|are|herein|on)\b.{0,400}$",
        max_chars=500,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:\w+[ ,]+){0,4}(?:views?|opinions?)\b.{0,80}\b(?:expressed|those of|represents?|reflects?|author(?:['’]s)?"
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
        pattern=rf"^.{{0,500}}\[(?:[^\[\]]{{0,80}}\b{_AGENCY}[^\[\]]{{0,60}}|(?:[Ff]ile:? )?\p{{Lu}}[^\[\]/]{{1,60}}/[^\[\]]{{2,60}})\]\.?$",
    ),
    Rule(
        name="trailing_credit",
        role="caption",
        pattern=rf"^.{{10,500}}[.!?]?\s*(?:\|\s*(?:\p{{Lu}}[^|/.]{{1,60}}/\s*\p{{Lu}}[^|.]{{1,60}}|[^|]{{0,60}}{_AGENCY}|(?i:courtesy|photo) [^|]{{2,60}})"
        r"|(?:Photos?|Fotos?|Image|Bild|Picture|Credit|Imagen|图片来源|图源|摄影|摄)\s*[:：]\s*[\p{Lu}\p{Lo}©][^.:]{1,60}"
        r"|[.!?]\s+(?:Photos?|Foto)\s+\p{Lu}[^.:]{2,40}\s/\s\p{Lu}[^.:]{2,40})$",
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
        pattern=r"^.{0,400}[(](?:\p{Lu}[^()/]{1,50}/\s*\p{Lu}[^()/]{1,50}|(?:Foto|Photo|Picture)s?:? (?:de |von |di |by )?[^()]{2,80})[)]\.?$",
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
        pattern=r"(?i)^(?:(?:enjoy|like|love|want)\w*\b[^.!?]{0,60}\?\s*)?(?:sign ?up|subscribe|join|get|receive|want|enter|register|don['’]t"
        r" miss|stay|never miss|like what|by signing up|by subscribing)\b.{0,200}\b(?:newsletters?|inbox|mailing list|email updates|digest"
        r"|briefing|e-?mail (?:address|alerts)|must-read|privacy policy)\b.{0,160}$",
        max_chars=400,
    ),
    Rule(
        name="newsletter_form",
        role="newsletter",
        pattern=r"(?i)^(?:(?:your |enter your )?e-?mail(?: address)?|.{0,120}\benter your e-?mail\b.{0,120}|recevez .{0,160}|(?:the |our )?newsletter\b[^.!?]{0,60}|.{0,100}\bjetzt (?:kostenlos )?anmelden"
        r"[.!]?)$",
        max_chars=160,
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
        r"|shared|active|discussed|commented)|trending(?: now)?|top stories|latest (?:news|stories)|in case you missed it|further reading|next (?:up|story)"
        r"|editors?['’]?s? picks?|keep reading|what to read next|à lire aussi|lire aussi|lesen sie auch|mehr zum thema"
        r"|lea también|le puede interesar|相关阅读|相关新闻|推荐阅读|延伸阅读|اقرأ أيض(?:ا|اً|ًا)?)\s*(?:[:：|»›>–—-].{0,240})?$",
        max_chars=320,
    ),
    # --- templates ---
    Rule(
        name="placeholder",
        role="boilerplate",
        pattern=r"(?i)^(?:for immediate release|embargoed until.{2,60}|(?:media|press) contacts?:?|card image cap|image (?:cap|placeholder|not available)|placeholder(?: text| image)?|lorem ipsum\b.*"
        r"|alt ?text|no image available|loading(?:\.{3}|…)?|undefined|null)$",
        max_chars=300,
    ),
    Rule(
        name="advertisement",
        role="boilerplate",
        pattern=r"(?i)^(?:[-–—*\s]*)(?:advertisements?|advertising|ad|sponsored(?: content| by .{2,60})?|promoted(?: content)?"
        r"|(?:advertisement\s*[-–—:|]\s*)?(?:story|article|text) continues (?:below|after).{0,40}|anzeige|werbung|publicité|publicidad"
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
        pattern=r"(?i)^(?:(?:we use|this (?:web)?site uses|accept(?: all)?|reject(?: all)?|manage) cookies\b.{0,240}|we (?:value|respect) your"
        r" privacy\b.{0,240})$",
        max_chars=300,
    ),
    Rule(
        name="paywall",
        role="boilerplate",
        pattern=r"(?i)^(?:you (?:have|['’]ve) (?:read|used|reached).{0,60}(?:free|articles?|limit)|this (?:article|story|content) is (?:for|only for"
        r"|reserved for) subscribers|subscribe (?:now|today)|already a (?:subscriber|member)\?|to continue reading).{0,200}$",
        max_chars=300,
    ),
    Rule(
        name="call_to_act",
        role="boilerplate",
        pattern=r"(?i)^(?:have your say\b.{0,120}|follow\b.{0,60}:|share (?:this|on|via|the)\b.{0,80}|click (?:here|the|on)\b.{0,120}|follow (?:us|me)\b.{0,120}|like us\b.{0,80}"
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
        name="place_and_date",
        role="dateline",
        pattern=rf"^\p{{Lu}}[\p{{L}} .'’-]{{2,30}},\s+(?:le\s+|den\s+)?{_DATE}{_TIME}$",
        region=Region.EDGE,
        max_chars=80,
    ),
    Rule(name="time_line", role="dateline", pattern=r"^\d{1,2}[:.h]\d{2}\s*(?:[ap]\.?m\.?)?\s*(?:[A-Z]{3,4})$", max_chars=20),
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
        pattern=r"^(?:By|BY) \p{Lu}[\p{L}\p{M}.'’-]+(?: \p{Lu}[\p{L}\p{M}.'’-]*){1,3}$",
        max_chars=60,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^[—–-]\s*{_NAME}(?:, (?:The )?\p{{Lu}}[^,.]{{2,50}})?,?\s*",
        region=Region.HEAD,
        max_chars=140,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^{_NAME},\s(?:\p{{Lu}}[\p{{L}}-]+ ){{0,2}}(?:Professor|Lecturer|Fellow|Researcher|Reporter|Correspondent|Editor|Writer|Columnist"
        r"|Director|Teaching|Research|Reader|Postdoctoral|PhD|Candidate)\b[^.!?]{0,160}$",
        region=Region.HEAD,
        max_chars=220,
    ),
    Rule(
        name="byline",
        role="byline",
        pattern=rf"^(?:Posted|Published|Written|Submitted) by {_NAME}",
        region=Region.HEAD,
        max_chars=160,
    ),
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
    Rule(
        name="credits",
        role="byline",
        pattern=rf"^{_NAMES} contributed (?:\w+ )?to this (?:report|story|article)\.?$",
        region=Region.TAIL,
        max_chars=200,
    ),
    Rule(
        name="author_note",
        role="byline",
        pattern=rf"^{_NAME} (?:is|was) (?:a|an|the) (?:[\w-]+ ){{0,6}}?(?:reporter|correspondent|editor|writer|author|columnist|professor|journalist"
        r"|fellow|lecturer|researcher|contributor|director|poet|novelist|economist|historian)\b.{0,240}$",
        region=Region.TAIL,
        max_chars=400,
    ),
    Rule(
        name="author_note",
        role="byline",
        pattern=rf"^{_NAME} (?:covers|writes|reports|teaches|lives) .{{2,200}}$",
        region=Region.TAIL,
        max_chars=300,
    ),
    # --- page furniture ---
    Rule(
        name="counter",
        role="navigation",
        pattern=r"(?i)^(?:[\d.,]+\s?[km]?\s*(?:comments?|views?|shares?|likes?|reads?|votes?|followers?|replies|reactions|次阅读"
        r"|评论)|(?:comments?|views?|shares?|likes?)\s*[:(]?\s*[\d.,]+\)?|(?:[\d.]+|one|two|three|four|five|ten)[ -]*(?:min|minute|mins"
        r"|minutes)s?[ .-]*(?:read|listen|watch)?|\d+ of \d+|temps de lecture\s*:.{1,20}|lesezeit\s*:?.{1,20}|tiempo de lectura\s*:?.{1,20}|(?:estimated )?reading time\s*:?.{1,20}|[\d:]{4,8}\s*/\s*[\d:]{4,8}|--:--"
        r"|(?:no|leave a|add a|post a) comments?(?: yet)?)$",
        max_chars=60,
    ),
    Rule(
        name="control",
        role="navigation",
        pattern=r"(?i)^(?:home|menu|search|skip to (?:main |the )?content|skip navigation|log ?in|log ?out|sign ?in|subscribe|share"
        r"|print(?: this(?: article| page)?)?|comments?|listen(?: to (?:this )?(?:article|story))?|play|pause|mute|close|back to top|top|next|previous|save|saved|bookmark|facebook"
        r"|twitter|x|linkedin|whatsapp|telegram|reddit|instagram|youtube|email|e-mail|copy link|link copied|toggle navigation|show more"
        r"|load (?:more|older).{0,20}|comments are closed\.?|refresh for .{2,40}|show key events.{0,10}|view all|see all|all sections|register|my account|watch live|live|continue reading|gift article|font size|a\+|a-"
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
        name="breadcrumb",
        role="navigation",
        pattern=r"^\p{Lu}[\p{L}&]{2,15}(?: \p{L}[\p{L}&]*){0,2}\s*[|/>›»]\s*\p{Lu}[\p{L}&]{2,15}(?: \p{L}[\p{L}&]*){0,2}$",
        region=Region.HEAD,
        max_chars=50,
    ),
    Rule(
        name="menu",
        role="navigation",
        pattern=r"(?i)^(?:home|startseite|accueil|inicio|homepage|menu|首页|الرئيسية)\s*(?:[/|•·>›»]|\s\p{L}).{1,200}$",
        region=Region.HEAD,
        max_chars=240,
    ),
    Rule(
        name="filed_under",
        role="navigation",
        pattern=r"(?i)^(?:filed under|tags?|topics?|categor(?:y|ies)|section|keywords|schlagwörter|标签|关键词)\s*[:：].{1,160}$",
        max_chars=200,
    ),
    Rule(
        name="pager",
        role="navigation",
        pattern=r"(?i)^(?:[←‹«<]+\s*.{0,100}|.{0,100}\s*[→›»>]+|(?:older|newer|previous|next) (?:posts?|stor(?:y|ies)|articles?)\b.{0,80}"
        r"|powered by .{2,60})$",
        region=Region.EDGE,
        max_chars=120,
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
