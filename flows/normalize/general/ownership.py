"""Rules for the link or credit line to the original, and for who owns the text."""

from flows.normalize.rules import Region, Rule

_TEXT = r"(?:article|story|interview|piece|post|essay|column|text|report|transcript|commentary|op-ed|feature)"
_APPEARED = (
    r"(?:originally (?:appeared|published|ran)|(?:was|were) (?:originally|first) published"
    r"|(?:was )?first (?:published|appeared)|appeared (?:first|originally)|appeared in|is (?:reprinted|reproduced) from"
    r"|was (?:reprinted|reproduced) from)"
)
# Strong words speak of copies; the weak ones do so only beside a word for what is copied.
_COPYING = r"(?:reproduc|reprint|republi[sc]|redistribut)"
_USING = r"(?:copied|copying|rewritten|broadcast|reuse|use)"
_WORK = r"(?:articles?|story|stories|content|contents|materials?|texts?|pages?|publications?|reports?|works?)"
_FORBIDDEN = (
    r"(?:prohibited|forbidden|not permitted|not allowed"
    r"|without (?:\w+ ){0,4}(?:permission|consent|authori[sz]ation|approval))"
)

SOURCE_RULES = (
    Rule(
        name="original_link",
        role="source_url",
        pattern=r"(?i)^(?:original(?: (?:article|link|source|url|text|post))?|source(?: url| link)?|link|via|url"
        r"|article link|原文(?:链接|地址)?|来源|出处)\s*[:：]?\s*(?:https?://|www\.)\S+$",
    ),
    Rule(
        name="read_original",
        role="source_url",
        pattern=r"(?i)^(?:read|view|see) (?:the )?(?:(?:full|original|complete) (?:(?:full|original|complete) )*"
        r"(?:(?:article|story|text|interview|post|version) )?|(?:article|story|text|interview|post|version) )"
        r"(?:at|on|in|from) .{2,80}$",
        max_chars=140,
    ),
    Rule(
        name="read_original",
        role="source_url",
        needs=("read the original",),
        pattern=r"(?i)\bread the original (?:article|story|text)\b(?:[^.]|\.\S)*\.?",
        region=Region.EDGE,
        max_chars=400,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=rf"(?i)^\W{{0,2}}(?:this|a version of this) {_TEXT}\b.{{0,40}}?\b{_APPEARED}\b.*$",
        max_chars=400,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=rf"(?i)^\W{{0,2}}the {_TEXT}\b.{{0,40}}?\b{_APPEARED}\b.*$",
        region=Region.TAIL,
        max_chars=240,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=r"(?i)^the post .+ (?:appeared first|first appeared) on .+$",
        max_chars=400,
    ),
    Rule(
        name="first_published",
        role="source_url",
        pattern=r"(?i)^(?:originally published|first published|originally appeared|republished|reprinted|reposted)"
        r" (?:by|in|on|at|from|with permission)..+$",
        max_chars=240,
    ),
    Rule(name="bare_link", role="source_url", pattern=r"^https?://\S+$", region=Region.TAIL, max_chars=400),
)

RIGHTS_RULES = (
    Rule(
        name="copyright_line",
        role="rights",
        pattern=r"^(?:(?i:copyright)\s*)?(?:©|\([cC]\)|(?i:copyright)\s*(?:©|\([cC]\)|by\s))\s*(?:(?i:copyright)\s*)?"
        r"(?:\d{4}|\p{Lu}|\p{Lo}).*$",
        max_chars=400,
    ),
    Rule(name="copyright_line", role="rights", pattern=r"(?i)^copyright,?\s+\d{4}\b.*$", max_chars=400),
    Rule(
        name="copyright_line",
        role="rights",
        pattern=r"^(?i:copyright)\s+\p{Lu}[^.!?]*$",
        region=Region.TAIL,
        max_chars=100,
    ),
    Rule(
        name="rights_reserved",
        role="rights",
        needs=(
            "rights reserved",
            "rechte vorbehalten",
            "droits réservés",
            "derechos reservados",
            "reservados todos",
            "diritti riservati",
            "direitos reservados",
            "права защищены",
            "rechten voorbehouden",
            "prawa zastrzeżone",
            "hakları saklıdır",
            "rättigheter förbehållna",
            "版权所有",
            "الحقوق محفوظة",
        ),
        pattern=r"^(?:[^.!?]{0,80}(?:©|\([cC]\)|(?i:copyright)|\b(?:19|20)\d{2}\b)?[^!?]{0,80}[.,;|·–—-]\s*)?"
        r"(?i:all rights reserved|alle rechte vorbehalten|tous droits réservés|todos los derechos reservados"
        r"|reservados todos los derechos|tutti i diritti riservati|todos os direitos reservados|все права защищены"
        r"|alle rechten voorbehouden|wszelkie prawa zastrzeżone|tüm hakları saklıdır|alla rättigheter förbehållna"
        r"|版权所有|جميع الحقوق محفوظة).{0,120}$",
        region=Region.EDGE,
        max_chars=300,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        needs=("prohibited", "forbidden", "not permitted", "not allowed", "without"),
        pattern=rf"(?i)^(?:this|the|no part of this|our|unauthori[sz]ed|any) (?:.{{0,120}}\b{_COPYING}"
        rf"|.{{0,80}}\b{_WORK}\b.{{0,80}}\b{_USING}|.{{0,80}}\b{_USING}\b.{{0,80}}\b{_WORK}\b)"
        rf".{{0,100}}\b{_FORBIDDEN}\b.{{0,80}}$",
        region=Region.EDGE,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        pattern=r"(?i)^(?:this|the) (?:article|story|material|content|text|piece|report|interview)\b.{0,60}"
        r"\b(?:may not|must not|cannot|can not)\b.{0,20}\b(?:be )?(?:published|reproduced|reprinted|republished|copied"
        r"|broadcast|rewritten|redistributed|reposted)\b"
        r"(?:\W+\w+){0,6}?(?:\W*|\W+(?:without|in any|in whole|in part|elsewhere)\b.*)$",
        region=Region.EDGE,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        needs=("未经", "转载"),
        pattern=r"^(?:[（(【]?(?:本文|本报|本刊|本网|本站|版权|未经|严禁|禁止|谢绝|©).{0,60})?"
        r"(?:未经.{0,12}(?:授权|许可|允许)|不得转载|禁止转载|谢绝转载).{0,60}$",
        max_chars=160,
    ),
    Rule(
        name="reproduction_prohibited",
        role="rights",
        needs=("無断", "禁転載", "무단"),
        pattern=r"^.{0,60}(?:無断(?:転載|複製|転用).{0,20}(?:禁|お断り)|禁転載|무단.{0,4}(?:전재|복제).{0,20}금지).{0,40}$",
        max_chars=160,
    ),
    Rule(
        name="open_licence",
        role="rights",
        needs=("under", "creative commons", "CC-BY", "CC BY", "public domain"),
        pattern=r"(?i)^.{0,160}\b(?:(?:licen[sc]ed|published|available|released|republished|shared|reused?)"
        r" (?:\w+ ){0,6}?under (?:a |an |the )?(?:creative commons|cc[ -]by|open)"
        r"|creative commons (?:attribution|licen[sc]e)|CC[ -]BY(?:[ -]\w+)* ?\d\.\d|public domain).{0,200}$",
        region=Region.EDGE,
    ),
    Rule(
        name="republishing_terms",
        role="rights",
        pattern=r"(?i)^(?:you (?:may|can|are free to|are welcome to) (?:republish|reprint|share|reuse|copy)"
        r"|republish (?:this|our)|we (?:encourage|allow|welcome) .{0,40}republi"
        r"|(?:this|our) (?:article|story|content|stories).{0,30}\bmay be"
        r" (?:freely )?(?:republished|reprinted|reproduced|shared|reused)).*$",
        region=Region.EDGE,
    ),
)
