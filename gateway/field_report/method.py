"""How each figure is measured, in words for the report, and where its definition comes from."""

from __future__ import annotations

TIMELINE = "From the recordings' times: filled bars are what a station said, hatched ones what it heard."

MOUTH_TO_EAR = (
    "NISTIR 8206 defines mouth-to-ear latency as the time from speech going into one device to its coming out of "
    "another. Here: by how much the envelopes of what was heard lag those of what was said (11 bands from 150 to 4300"
    " Hz, steps of 5 ms, best correlation). Marks are whole overs, lines the course within them in windows of 2.5 s. "
    "It runs from the microphone's samples to the speaker's queue: the delays of the sound cards themselves come on "
    "top."
)

ACCESS = (
    "NISTIR 8275 defines end-to-end access time as the time from the first press of the key until a listener hears "
    "intelligible speech; it is access delay (the least pause after the press that loses no speech) plus mouth-to-ear"
    " latency. Key to first sound is that for one over: from the press to the first sound of the over at the "
    "listener's speaker. Key to first speech heard also has the talker's own pause in it, which is drawn beside it. "
    "NIST finds access delay from the intelligibility of words at many pauses (corrected by NIST TN 2166); single "
    "overs of an exercise cannot tell that, so no figure here claims it."
)

DELIVERED = (
    "Share of the seconds in which somebody spoke (loudest band within 25 dB of the loudest 5 %) that the listener's "
    "station played from received bits; the rest was guessed by its decoder or not played at all. The station says so"
    " of each 80 ms. For recordings made by other means: the share at which something as loud as speech is heard, "
    "within 40 ms."
)

WORDS = (
    "A recogniser hears both sides and the words of what was heard are compared with those of what was said: with the"
    " transcript where there is one (NAME.txt beside the recording, or exercise.toml), else with what the recogniser "
    "hears in the recording of what was said. Word error is substitutions, deletions and insertions over words, at "
    "most 100 %. NIST measures intelligibility by the modified rhyme test (ABC-MRT16, as in NISTIR 8275), which needs"
    " its own word lists; recognisers stand in for listeners here, and people usually understand more. STOI (Taal et "
    "al. 2011) compares envelopes and needs no words; a vocoder scores low in it."
)

MESSAGES = (
    "NIST TN 2259 defines the probability of successful delivery of a message for two uses: every word critical (EWC:"
    " all words intelligible) and average message intelligibility (AMI: words intelligible on average). Here: the "
    "share of overs with every word recognised, and with at least 80 % of the words recognised; a recogniser takes "
    "the place of the rhyme test, and 80 % is this report's own threshold."
)

LOSS_COUNTED = (
    "Packets lost or late in each over, as its receiver counted them from the first to the last that it heard "
    "(SPEC.md, 15.3). There are no traces here that know the fate of packets."
)

PACKET_DELAY = (
    "One way, from the sender's link taking the packet to the receiver's handing it on, from traces of both sides or "
    "of the channel between them. Between machines the clocks decide: see Clocks."
)

SNR_PACKETS = "As the modem told for each packet that arrived."
SNR_OVERS = "Mean over the packets of each over, as the modem of its receiver told."

REFERENCES = (
    (
        "NISTIR 8206",
        "J. Frey, J. Pieper, T. Thompson: Mission Critical Voice QoE Mouth-to-Ear Latency Measurement Methods, 2018",
        "https://doi.org/10.6028/NIST.IR.8206",
    ),
    (
        "NISTIR 8275",
        "J. Pieper, J. Frey, C. Greene, Z. Soetan, T. Thompson, D. Bradshaw, S. Voran: Mission Critical Voice Quality "
        "of Experience Access Time Measurement Methods, 2019",
        "https://doi.org/10.6028/NIST.IR.8275",
    ),
    (
        "NISTIR 8328",
        "C. Greene, J. Frey, Z. Soetan, J. Pieper, T. Thompson: Access Time Measurement Method Addendum, 2020",
        "https://doi.org/10.6028/NIST.IR.8328",
    ),
    (
        "NIST TN 2166",
        "W. Magrogan, J. Pieper, Z. Soetan: Mission Critical Voice Start-of-Word Correction for Access Delay "
        "Measurement System, 2021",
        "https://doi.org/10.6028/NIST.TN.2166",
    ),
    (
        "NIST TN 2259",
        "J. Pieper, J. Frey, G. Howarth: Mission Critical Voice Quality of Experience Probability of Successful "
        "Delivery Measurement Methods, 2023",
        "https://doi.org/10.6028/NIST.TN.2259",
    ),
    (
        "STOI",
        "C. Taal, R. Hendriks, R. Heusdens, J. Jensen: An Algorithm for Intelligibility Prediction of Time-Frequency "
        "Weighted Noisy Speech, IEEE TASLP 19(7), 2011",
        "https://doi.org/10.1109/TASL.2011.2114881",
    ),
)
