"""Rules for notes on how the text was made or edited, and whose views it holds."""

from flows.normalize.rules import Region, Rule

NOTE_RULES = (
    Rule(
        name="views_of_author",
        role="disclaimer",
        needs=("仅代表", "不代表", "仅为"),
        pattern=r"^.{0,30}(?:仅代表|不代表|仅为).{0,20}(?:观点|立场|意见).{0,60}$",
        max_chars=160,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        pattern=r"(?i)^(?:traduit (?:de l['’]|du )|aus dem .{3,20} von|traducido del|traducción del"
        r"|tradotto dall?['’]?).{2,80}$",
        max_chars=120,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        pattern=r"^[【（(\[]?(?:本文|编译|原文).{0,6}(?:译自|编译自|翻译自).{0,80}$",
        max_chars=160,
    ),
    Rule(
        name="edited_interview",
        role="disclaimer",
        needs=("edited", "condensed", "shortened", "abridged", "trimmed"),
        pattern=r"(?i)^\W{0,2}(?:the following (?:[\w-]+ ){0,4}?(?:has|have) been (?:\w+ )?"
        r"(?:edited|condensed|shortened)|(?:this|the|our|his|her|their|excerpts from (?:the|this|our)|the following)"
        r" (?:[\w-]+ ){0,3}?"
        r"(?:interview|conversation|transcript|q&a|discussion|exchange|dialogue|answers|responses|excerpts?)"
        r"\b.{0,80}\b(?:edited|condensed|abridged|shortened|trimmed)\b).{0,120}$",
        max_chars=300,
    ),
    Rule(
        name="labelled_note",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:disclaimer|editor(?:['’]s|s['’]?|ial) note|editors['’] note|correction|clarification"
        r"|note to readers|disclosure|haftungsausschluss|avertissement|aviso legal|编者按|免责声明)\s*[:：.–—-]..+$",
        max_chars=1200,
    ),
    Rule(
        name="made_by_machine",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:this|the) (?:\w+ )?(?:article|story|content|text|summary|translation|report|post|brief"
        r"|page|item|digest|headline and summary)\b.{0,40}\b(?:was|were|is|has been)\b.{0,60}"
        r"\b(?:generated|written|produced|created|drafted|translated|summari[sz]ed|compiled|assembled)\b.{0,60}"
        r"\b(?:artificial intelligence|A\.?I\.?|automat\w+|algorithm|language model|machine|chatbot|software)\b.*$",
        region=Region.EDGE,
    ),
    Rule(
        name="made_by_machine",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}(?:(?:machine|automatically|ai)[- ](?:translated|generated|assisted|written)"
        r"|(?:generated|written|translated|produced|created) (?:by|with|using) (?:artificial intelligence|ai)\b).*$",
        region=Region.EDGE,
        max_chars=240,
    ),
    Rule(
        name="amended",
        role="disclaimer",
        pattern=r"(?i)^\W{0,2}this (?:article|story|post|page|report|entry) (?:was|has been) (?:\w+ )?"
        r"(?:amended|updated|corrected)\b.*$",
        region=Region.EDGE,
        max_chars=400,
    ),
    Rule(
        name="interests",
        role="disclaimer",
        needs=("disclosure statement", "forward-looking", "not work for, consult", "release contains"),
        pattern=r"(?i)^(?:disclosure statement|forward-looking statements?"
        r"|.{0,80}\bdo(?:es)? not work for, consult, own shares in\b.*"
        r"|this (?:press )?release contains (?:forward-looking )?statements\b.*)$",
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^(?:las opiniones|les opinions|die (?:in diesem|hier) .{0,40}meinungen|le opinioni).{0,60}"
        r"\b(?:responsabilidad|autor|auteurs?|autoren|engagent|autori|exclusiva).*$",
    ),
    Rule(
        name="about_transcript",
        role="disclaimer",
        pattern=r"(?i)^this (?:\w+ )?transcript (?:was|is|has|may|might)\b.*$",
        max_chars=400,
    ),
    Rule(
        name="translated_from",
        role="disclaimer",
        needs=("translated",),
        pattern=r"(?i)^\W{0,2}(?:(?:this|the) (?:article|story|text|interview|piece|report)\b.{0,40}"
        r"\b(?:was|is|has been) )?translated (?:from|into)\b.{2,160}$",
        region=Region.EDGE,
        max_chars=240,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^(?:the )?(?:views?|opinions?)(?:,? (?:and|or|thoughts|,) \w+)* expressed"
        r" (?:in|here|are|herein|on"
        r"|by (?:(?:the|our|its|individual|guest) )*(?:authors?|writers?|contributors?|columnists?))\b.*$",
        max_chars=500,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        needs=("view", "opinion"),
        pattern=r"(?i)^\W{0,2}(?:\w+[ ,]+){0,4}(?:views?|opinions?)\b.{0,80}\b(?:expressed|those of|represents?"
        r"|reflects?|author(?:['’]s)? own|are (?:his|her|their) own|are personal)\b.{0,300}$",
        region=Region.TAIL,
    ),
    Rule(
        name="views_of_author",
        role="disclaimer",
        pattern=r"(?i)^(?:this|the) article (?:only )?(?:represents|reflects|contains) (?:only )?the (?:personal )?"
        r"(?:views?|opinions?) of\b.{0,200}$",
    ),
)
