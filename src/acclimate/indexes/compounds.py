"""German compounds in their parts: "Kündigungsfrist" is also Kündigung and Frist.

By rule, with a small list of words that compounds are made of, so that every store makes the same
words. A part that is wrong is one more word that nobody asks for; a compound that is not parted is
found as a whole, as before. Source: Koehn and Knight, "Empirical Methods for Compound Splitting",
EACL 2003, for parts of at least four letters and the letters that join them.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

import tantivy

_SHORTEST = 9  # letters of a compound
_PART = 4  # letters of its parts at least
# After them a joining s ends a part, whatever follows.
_JOINED = re.compile(
    r"(?:ung|heit|keit|schaft|ion|tät|ling|tum|ment|itel|eits|anz|enz)s(?=[a-zäöü]{4})"
)
# An s that joins two parts, where it does not begin the second one (sch, sp, st).
_JOINING = re.compile(r"^s(?=[^cpt][^\W\d_]{3})")
_LINKS = ("s", "es", "n", "en", "er", "e", "")
# What most compounds of offices, contracts, technology and schools end or begin with.
_WORDS = """
abfall abgabe abkommen ablauf abrechnung abschluss abschnitt absicht abteilung abzug adresse akte
aktie amt analyse anfang anfrage angabe angebot angestellte anlage anleitung anmeldung annahme
anordnung anruf anschluss anspruch anteil antrag antwort anwalt anwendung anzahl anzeige apparat
arbeit arbeiter arbeitnehmer arbeitgeber archiv artikel arzt arznei aufbau aufgabe auflage aufnahme
aufsicht auftrag aufwand ausbildung ausfall ausgabe ausgang auskunft ausland ausnahme ausrüstung
ausschluss ausschuss ausweis auszahlung auto bahn band bank bau baum bau beamte bedarf bedingung
beginn begriff behörde beitrag beleg bericht beruf bescheid bescheinigung beschluss beschwerde
besitz bestand bestellung bestimmung besuch betrag betrieb bett bewegung bewerbung bezirk bezug
bild bildung blatt boden brand brief buch buchung budget bund bundes bürger büro chef daten dauer
deckel dienst dienstleistung dokument druck ebene ehe eigentum einheit einkauf einkommen
einrichtung eintrag einwohner eisen energie entgelt entscheidung entwicklung erbe ereignis
erfahrung erfolg ergebnis erklärung erlaubnis ersatz ertrag fabrik fach fahrer fahrt fahrzeug fall
familie farbe fehler feier feiertag feld fenster ferien feuer figur film finanz firma fisch fläche
flug flughafen fluss folge form formel formular forschung fracht frage frau frist führer führung
funktion gas gast gebäude gebiet gebühr geburt gefahr gehalt geld gemeinde genehmigung gerät
gericht gesamt geschäft geschichte gesellschaft gesetz gesundheit getränk gewalt gewerbe gewicht
gewinn glas grad grenze größe grund gruppe gut haft haftung halle hand handel handbuch haupt haus
haushalt heim heizung hersteller hilfe hinweis hochschule höhe hof holz hotel idee industrie
information inhalt insel interesse jahr jugend kammer kapital karte kasse katalog kauf kern kette
kind kirche klage klasse kleidung klima konferenz konto kontrolle konzern kopf körper kosten kraft
kranken krankheit kredit kreis krieg kritik küche kühl kultur kunde kündigung kunst kurs küste lade
laden lager land landes lauf leben lehre lehrer leistung leiter leitung leser licht liebe
lieferant lieferung linie liste lohn luft macht mangel mann markt maschine material mehrwert
meister meldung mensch merkmal messe messer metall miete mieter minister mitarbeiter mitglied
mittel modell monat motor müll musik mutter nachricht nachweis nacht name natur netz nummer nutzer
nutzung objekt öl ordnung organ ort papier partei partner patient pause person pflege pflicht plan
planung platz politik polizei post preis presse problem produkt produktion programm projekt
protokoll prozess prüfung pumpe punkt qualität quelle rad rahmen rat raum rechner rechnung recht
rede reform regel regelung regierung reich reihe reise rente reparatur reserve rest richter
richtlinie risiko rohr rolle rücken ruhe saal sache sammlung satz schaden schalter schein schicht
schiff schlag schluss schlüssel schmuck schnitt schrank schrift schritt schuld schule schüler
schutz schwanger seite sekunde sendung service sicherheit sicherung sitz sitzung software soldat
sommer sonder sonne spannung speicher sperre spiel spieler sport sprache staat stadt stahl stamm
stand standort station statistik stelle steuer steuerung stoff störung strafe strahl straße strecke
streik strom student studium stufe stuhl stunde system tabelle tafel tag tarif tasche taste tat
teil teilnehmer telefon temperatur termin test text theater thema tier tisch titel tochter tod ton
tor tour träger trans transport treffen treppe turm typ übung uhr umfang umsatz umwelt unfall
universität unterlage unternehmen unterricht unterschrift urkunde urlaub ursache urteil vater
verband verbindung verbot verbrauch verein verfahren verhalten verhältnis verkauf verkehr verlag
verlust vermögen verordnung versand versicherung versorgung vertrag vertreter vertretung
verwaltung verzeichnis volk vollmacht vorgang vorschrift vorstand wachstum waffe wagen wahl wald
wand ware wärme wartung wasser wechsel weg weihnacht wein welle welt werbung werk wert wetter
wettbewerb wind winter wirkung wirtschaft wissen wissenschaft woche wohnung wort wunsch zahl
zahlung zeichen zeichnung zeit zeitung zelle zentrum zertifikat zeugnis ziel zimmer zins zoll zone
zucker zugang zulage zulassung zusage zuschlag zuschuss zustand zustimmung zweck zweig
"""


@lru_cache(1 << 15)
def parts(word: str) -> tuple[str, ...]:
    """The parts of a German word in small letters, from left to right; () where none are seen."""
    if len(word) < _SHORTEST:
        return ()
    found = _at_joint(word) or _at_known(word)
    if not found:
        return ()
    left, right = found
    return (*(parts(left) or (left,)), *(parts(right) or (right,)))


def _at_joint(word: str) -> tuple[str, str] | None:
    match = _JOINED.search(word, _PART - 2)
    if match is None or len(word) - match.end() < _PART:
        return None
    return word[: match.end() - 1], word[match.end() :]


def _at_known(word: str) -> tuple[str, str] | None:
    """Where two known words meet; else before a known one of at least five letters, the longest
    there is, else behind one."""
    ends: list[tuple[str, str]] = []
    begins: list[tuple[str, str]] = []
    for at in range(_PART, len(word) - _PART + 1):
        right = word[at:]
        left, known = _without_link(word[:at]), _stem(right) in _stems()
        if left is not None and known:
            return left, right
        if known and len(right) > _PART:
            ends.append((word[:at], right))
        if left is not None and left == word[:at] and len(left) > _PART:
            begins.append((left, _JOINING.sub("", right)))
    return ends[0] if ends else (begins[-1] if begins else None)


def _without_link(left: str) -> str | None:
    """The known word that a first part is, without the letters that join it; None for none."""
    for link in _LINKS:
        bare = left.removesuffix(link) if link else left
        if left.endswith(link) and len(bare) >= _PART - 1 and bare in _known():
            return bare
    return None


@cache
def _known() -> frozenset[str]:
    return frozenset(_WORDS.split())


@cache
def _stems() -> frozenset[str]:
    return frozenset(_stem(word) for word in _known())


@lru_cache(1 << 15)
def _stem(word: str) -> str:
    return " ".join(_stemmer().analyze(word))


@cache
def _stemmer() -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    return builder.filter(tantivy.Filter.stemmer("german")).build()
