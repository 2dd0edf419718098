"""Rules for captions and credits of pictures."""

from flows.normalize.general.pieces import AGENCIES, AGENCY
from flows.normalize.rules import Rule

_PHOTO = (
    r"(?:photos?|photographs?|photography|image|images|picture|pictures|illustration|graphic|video still|screenshot"
    r"|foto|fotos|bild|abbildung|imagen|fotografía|crédit(?:s)?(?: photo)?"
    r"|图|图片|图源|图片来源|配图|الصورة|صورة|تصوير)"
)
_PHOTO_WORDS = (
    "photo", "image", "picture", "illustration", "graphic", "still", "screenshot", "foto", "bild", "imagen", "crédit",
    "credit", "source", "图", "الصورة", "صورة", "تصوير",
)  # fmt: skip

CAPTION_RULES = (
    Rule(
        name="bracketed_credit",
        role="caption",
        needs=("]",),
        pattern=rf"^.*\[(?:[^\[\]]{{0,80}}\b{AGENCY}[^\[\]]{{0,60}}"
        r"|(?:[Ff]ile:? )?\p{Lu}[^\[\]/]{1,60}/[^\[\]]{2,60})\]\.?$",
    ),
    Rule(
        name="trailing_credit",
        role="caption",
        needs=("|", "photo", "foto", "image", "bild", "picture", "credit", "imagen", "图片来源", "图源", "摄"),
        pattern=rf"^.{{10,500}}[.!?]?\s*(?:\|\s*(?:\p{{Lu}}[^|/.]{{1,60}}/\s*\p{{Lu}}[^|.]{{1,60}}|[^|]{{0,60}}{AGENCY}"
        r"|(?i:courtesy|photo) [^|]{2,60})"
        r"|(?:Photos?|Fotos?|Image|Bild|Picture|Credit|Imagen|图片来源|图源|摄影|摄)\s*[:：]\s*[\p{Lu}\p{Lo}©][^.:]{1,60}"
        r"|[.!?]\s+(?:Photos?|Foto)\s+\p{Lu}[^.:]{2,40}\s/\s\p{Lu}[^.:]{2,40})$",
    ),
    Rule(
        name="labelled_caption",
        role="caption",
        pattern=r"(?i)^(?:image|media|video|figure|photo) (?:source|caption|credit),.+$",
        max_chars=400,
    ),
    Rule(
        name="photo_label",
        role="caption",
        pattern=rf"(?i)^(?:file )?{_PHOTO}\s*(?:by|credit|courtesy|caption|source)?\s*[:：/|].+$",
        max_chars=400,
    ),
    Rule(
        name="photo_by",
        role="caption",
        needs=_PHOTO_WORDS,
        pattern=rf"(?i)^(?:.{{0,400}}[\s.])?[(\[](?:{_PHOTO}|credit|source)\s*"
        r"(?:by|credit|courtesy|:|/|©|via|from|provided)[^()\[\]]{1,120}[)\]]\.?$",
    ),
    Rule(
        name="photo_by",
        role="caption",
        needs=(")",),
        pattern=r"^.{0,400}[(](?:\p{Lu}[^()/]{1,50}/\s*\p{Lu}[^()/]{1,50}"
        r"|(?:Foto|Photo|Picture)s?:? (?:de |von |di |by )?[^()]{2,80})[)]\.?$",
    ),
    Rule(
        name="photo_by",
        role="caption",
        pattern=r"(?i)^(?:photo(?:graph)?s?|pictures?|images?|illustrations?|credits?)"
        r" (?:by|courtesy(?: of)?|credit)[: ].{2,120}$",
        max_chars=160,
    ),
    Rule(
        name="agency_credit",
        role="caption",
        needs=AGENCIES,
        pattern=rf"^.*(?:[,;/|©–—(（:：]|\bvia|\b[Bb]y|[.!?”\"])\s*{AGENCY}(?:\s*(?:/|via)\s*[\p{{L}} .]+)?\s*[)）]?$",
    ),
    Rule(name="file_photo", role="caption", needs=("FILE",), pattern=r"^FILE\s*(?:[-–—:]|PHOTO\b).{10,500}$"),
)
